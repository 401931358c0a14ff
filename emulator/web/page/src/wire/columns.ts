/** Columns of numbers as they come: little-endian bytes, which need not begin where their numbers may. */

export function f32(bytes: Uint8Array): Float32Array {
  return new Float32Array(aligned(bytes, 4));
}

export function f64(bytes: Uint8Array): Float64Array {
  return new Float64Array(aligned(bytes, 8));
}

export function u32(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(aligned(bytes, 4));
}

function aligned(bytes: Uint8Array, size: number): ArrayBuffer {
  const whole = bytes.byteLength - (bytes.byteLength % size);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + whole) as ArrayBuffer;
}
