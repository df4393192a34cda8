// Arrays that came from Python, as typed arrays.

export const bytesOf = (value) => {
  if (value && value.base64 !== undefined) return Uint8Array.from(atob(value.base64), (c) => c.charCodeAt(0));
  if (ArrayBuffer.isView(value))
    return new Uint8Array(value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength));
  return new Uint8Array(value);
};
export const floats = (value) => new Float32Array(bytesOf(value).buffer);
export const doubles = (value) => new Float64Array(bytesOf(value).buffer);
export const integers = (value) => new Int32Array(bytesOf(value).buffer);
