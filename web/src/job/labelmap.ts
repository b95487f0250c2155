// A label map on its own grid: which region lies at a place, and where a region lies. Places are world mm (RAS+).

export type Point = readonly [number, number, number];

/** Rows of a 4 × 4 matrix, voxel index to world mm. */
export type Affine = readonly (readonly number[])[];

export class LabelMap {
  private readonly inverse: number[][];

  /**
   * @param labels voxels in the file's order, the first axis fastest
   * @param shape voxels along each axis
   * @param affine voxel index to world mm
   */
  constructor(
    readonly labels: ArrayLike<number>,
    readonly shape: Point,
    readonly affine: Affine,
  ) {
    this.inverse = inverted(affine);
  }

  /** The region at a place; 0 for none, and outside the grid. */
  at(mm: Point): number {
    const [i, j, k] = apply(this.inverse, mm).map(Math.round) as [number, number, number];
    const [nx, ny, nz] = this.shape;
    const inside = i >= 0 && j >= 0 && k >= 0 && i < nx && j < ny && k < nz;
    return inside ? (this.labels[i + nx * (j + ny * k)] ?? 0) : 0;
  }

  /** A place in a region: its voxel next to its centroid, which itself may lie outside. Null where it has no voxel. */
  placeIn(region: number): Point | null {
    const voxels = this.voxelsOf(region);
    if (!voxels.length) return null;
    const sum = [0, 0, 0];
    for (const voxel of voxels) for (let axis = 0; axis < 3; axis++) sum[axis]! += voxel[axis]!;
    const mean = sum.map((total) => total / voxels.length) as unknown as Point;
    const distance = (voxel: Point) => voxel.reduce((total, index, axis) => total + (index - mean[axis]!) ** 2, 0);
    const nearest = voxels.reduce((best, voxel) => (distance(voxel) < distance(best) ? voxel : best));
    return apply(this.affine, nearest);
  }

  private voxelsOf(region: number): Point[] {
    const [nx, ny] = this.shape;
    const voxels: Point[] = [];
    for (let n = 0; n < this.labels.length; n++) {
      if (this.labels[n] === region) voxels.push([n % nx, Math.floor(n / nx) % ny, Math.floor(n / (nx * ny))]);
    }
    return voxels;
  }

  /** 1 where any other map of the same grid has another region, 0 elsewhere. */
  differsFrom(others: readonly LabelMap[]): Uint8Array {
    return Uint8Array.from(this.labels, (label, n) => Number(others.some((other) => label !== other.labels[n])));
  }
}

function apply(matrix: Affine, [x, y, z]: Point): Point {
  const row = (n: number) => matrix[n]![0]! * x + matrix[n]![1]! * y + matrix[n]![2]! * z + matrix[n]![3]!;
  return [row(0), row(1), row(2)];
}

/** The inverse of an affine matrix, by the adjugate of its upper left part. */
function inverted(affine: Affine): number[][] {
  const [[a, b, c, x], [d, e, f, y], [g, h, i, z]] = affine as [number[], number[], number[]] as [
    [number, number, number, number],
    [number, number, number, number],
    [number, number, number, number],
  ];
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  const rows = [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((row) => row.map((value) => value / determinant));
  return rows.map((row) => [...row, -(row[0]! * x + row[1]! * y + row[2]! * z)]);
}
