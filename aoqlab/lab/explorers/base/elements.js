// Elements of the page.

export function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

let made = 0; // identifiers are unique in this module; the name of the page makes them unique beyond it

export const freshId = (page) => `aoq-${page}-${made++}`;
