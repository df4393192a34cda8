// Elements of the page.

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [properties]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// Writes only what differs, which is what sliding costs.
export function write(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

let made = 0; // identifiers are unique in this module; the name of the page makes them unique beyond it

export const freshId = (page) => `aoq-${page}-${made++}`;

export const sentenceOf = (error) => (error instanceof Error ? error.message : String(error));
