/** Meshes as a server would tell of them, made up. */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Mesh } from "../../../emulator/web/page/src/state/mesh";
import { ToPageSchema } from "../../../emulator/web/page/src/wire/web_pb";

type News = NonNullable<MessageInitShape<typeof ToPageSchema>["news"]>;

export function take(mesh: Mesh, news: News): void {
  mesh.take(create(ToPageSchema, { news }), 0);
}

export function bytes(of: ArrayBufferView): Uint8Array<ArrayBuffer> {
  return new Uint8Array(of.buffer as ArrayBuffer, of.byteOffset, of.byteLength);
}

export const u32 = (...of: number[]) => bytes(Uint32Array.from(of));
export const f32 = (...of: number[]) => bytes(Float32Array.from(of));
export const f64 = (...of: number[]) => bytes(Float64Array.from(of));

/** Two planes of three satellites, two gateways; a ring of lasers in each plane, and a ground link for each gateway. */
export function small(isLive = true): Mesh {
  const mesh = new Mesh();
  take(mesh, {
    case: "hello",
    value: {
      runId: "run-1",
      scenario: "small.toml",
      isLive,
      canControl: isLive,
      endSimNs: 60_000_000_000n,
      stepNs: 1_000_000_000n,
      satellites: 6,
      shells: [{ name: "low", satellites: 6, altitudeKm: 550, inclinationDeg: 53 }],
      gateways: [
        { node: 6, name: "gw-london", latitudeDeg: 51.5, longitudeDeg: -0.1 },
        { node: 7, name: "gw-perth", latitudeDeg: -31.9, longitudeDeg: 115.9 },
      ],
    },
  });
  take(mesh, {
    case: "nodes",
    value: { shellU32le: u32(0, 0, 0, 0, 0, 0), planeU32le: u32(0, 0, 0, 1, 1, 1), slotU32le: u32(0, 1, 2, 0, 1, 2), knownNode: [4], knownAs: ["STARLINK-1007"] },
  });
  take(mesh, {
    case: "links",
    value: { linksNumber: 1n, aNodeU32le: u32(0, 1, 2, 3, 0, 5), bNodeU32le: u32(1, 2, 0, 4, 6, 7), kindU8: Uint8Array.of(1, 1, 1, 1, 2, 2), allLasers: 4, allGroundLinks: 2 },
  });
  take(mesh, {
    case: "epoch",
    value: {
      epochNumber: 1n,
      simNs: 5_000_000_000n,
      speedRatio: 1,
      positionItrsKmF32le: f32(6921, 0, 0, 0, 6921, 0, 0, 0, 6921, -6921, 0, 0, 0, -6921, 0, 0, 0, -6921, 6371, 0, 0, 0, 6371, 0),
      sunItrs: [1, 0, 0],
      linksNumber: 1n,
      linkDelayNsF32le: f32(3e6, 4e6, 5e6, 6e6, 2e6, NaN),
      linkRateAbBpsF32le: f32(1e11, 1e11, 1e11, 1e11, 1e9, 1e9),
      linkRateBaBpsF32le: f32(1e11, 1e11, 1e11, 1e11, 1e9, 1e9),
      linkIsUpU8: Uint8Array.of(1, 0, 1, 1, 1, 1),
      changedLinkRow: [2],
      failedNode: [5],
    },
  });
  return mesh;
}
