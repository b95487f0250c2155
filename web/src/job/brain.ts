// The scan with its regions, drawn by NiiVue. Which region lies where is asked of the label map itself.
import { DRAG_MODE, MULTIPLANAR_TYPE, Niivue, NVImage, SHOW_RENDER, SLICE_TYPE } from "../niivue";
import { type Affine, LabelMap, type Point } from "./labelmap";
import type { Region } from "./regions";

export type View = "planes" | "all" | "axial" | "coronal" | "sagittal" | "render";

const SLICES: Record<View, SLICE_TYPE> = {
  planes: SLICE_TYPE.MULTIPLANAR,
  all: SLICE_TYPE.MULTIPLANAR,
  axial: SLICE_TYPE.AXIAL,
  coronal: SLICE_TYPE.CORONAL,
  sagittal: SLICE_TYPE.SAGITTAL,
  render: SLICE_TYPE.RENDER,
};
const SCAN = 0;
const MAP = 1;
const RED = { R: [0, 230], G: [0, 0], B: [0, 40], A: [0, 255], I: [0, 1], labels: ["", ""] };

export interface Look {
  view: View;
  opacity: number;
  outlines: boolean;
  radiological: boolean;
  hidden: ReadonlySet<number>;
}

export class Brain {
  onMove: (mm: Point, region: number) => void = () => undefined;
  onHover: (region: number) => void = () => undefined;
  private labels: LabelMap | null = null;

  private constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly nv: Niivue,
    private readonly scan: NVImage,
    private readonly regions: readonly Region[],
    private look: Look,
  ) {}

  /** Make a scan ready to be shown; throws where the browser has no WebGL 2. */
  static async open(canvas: HTMLCanvasElement, file: ArrayBuffer, regions: readonly Region[], look: Look): Promise<Brain> {
    const nv = new Niivue({
      backColor: [0, 0, 0, 1],
      crosshairColor: [1, 1, 1, 0.8],
      fontColor: [1, 1, 1, 1],
      fontMinPx: 15,
      show3Dcrosshair: true,
      dragMode: DRAG_MODE.slicer3D,
      dragAndDropEnabled: false,
      multiplanarLayout: MULTIPLANAR_TYPE.GRID,
      multiplanarShowRender: SHOW_RENDER.NEVER,
      scrollRequiresFocus: true, // the wheel is the page's until the scan was clicked
      loadingText: "",
      logLevel: "error",
      viewModeHotKey: "",
      clipPlaneHotKey: "",
      cycleClipPlaneHotKey: "",
      isOrientCube: false,
      showAllOrientationMarkers: true,
      multiplanarPadPixels: 24, // room for the letters of two neighbours
    });
    await nv.attachToCanvas(canvas);
    if (!nv.gl) throw new Error("WebGL 2");
    const scan = await NVImage.loadFromUrl({ url: file, name: "scan.nii.gz" });
    const brain = new Brain(canvas, nv, scan, regions, look);
    nv.onLocationChange = () => brain.tellPlace();
    canvas.addEventListener("mousemove", (event) => brain.tellHover(event));
    canvas.addEventListener("mouseleave", () => brain.onHover(0));
    return brain;
  }

  /** Whether this browser draws on its processor: then the 3-D view is not shown unasked. */
  get isSlow(): boolean {
    const { gl } = this.nv;
    const information = gl.getExtension("WEBGL_debug_renderer_info");
    const renderer = information ? String(gl.getParameter(information.UNMASKED_RENDERER_WEBGL)) : "";
    return /swiftshader|llvmpipe|software/i.test(renderer);
  }

  /** Show the scan with a label map; and where others disagree, over that. */
  async show(map: ArrayBuffer, disagreeing: readonly ArrayBuffer[] = []): Promise<void> {
    const [image, ...others] = await Promise.all(
      [map, ...disagreeing].map((url) => NVImage.loadFromUrl({ url, name: "dseg.nii.gz" })),
    );
    this.labels = labelsOf(image!);
    this.paint(image!);
    const [first, ...further] = others;
    if (first) {
      first.img = labelsOf(first).differsFrom(further.map(labelsOf));
      first.setColormapLabel(RED);
    }
    // all at once: each volume that is added by itself has every one drawn anew
    this.nv.volumes = [this.scan, image!, ...(first ? [first] : [])];
    this.nv.setVolume(this.scan, SCAN);
    this.tellPlace();
  }

  private paint(map: NVImage): void {
    map.setColormapLabel(this.colors());
    map.opacity = this.look.opacity;
    this.nv.opts.atlasOutline = this.look.outlines ? 1 : 0;
  }

  /** Draw it as asked. */
  draw(look: Look): void {
    const { look: before, nv } = this;
    this.look = look;
    nv.opts.multiplanarShowRender = look.view === "all" ? SHOW_RENDER.ALWAYS : SHOW_RENDER.NEVER;
    nv.opts.isRadiologicalConvention = look.radiological;
    const map = nv.volumes[MAP];
    if (map && (before.opacity !== look.opacity || before.outlines !== look.outlines || before.hidden !== look.hidden)) {
      this.paint(map);
      nv.updateGLVolume();
    }
    nv.setSliceType(SLICES[look.view]);
  }

  goTo(mm: Point): void {
    this.nv.scene.crosshairPos = this.nv.mm2frac([...mm]);
    this.nv.drawScene();
    this.tellPlace();
  }

  /** Move the crosshair into a region; false where it has no voxel. */
  goToRegion(region: number): boolean {
    const place = this.labels?.placeIn(region);
    if (place) this.goTo(place);
    return Boolean(place);
  }

  close(): void {
    this.nv.cleanup();
    this.nv.gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }

  private tellPlace(): void {
    const [x, y, z] = this.nv.frac2mm(this.nv.scene.crosshairPos, SCAN, true);
    const mm: Point = [x!, y!, z!];
    this.onMove(mm, this.labels?.at(mm) ?? 0);
  }

  private tellHover(event: MouseEvent): void {
    // as NiiVue reads a click, so that both name the same region
    const { left, top, width } = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / width;
    const frac = this.nv.canvasPos2frac([(event.clientX - left) * scale, (event.clientY - top) * scale]);
    const outside = frac[0]! < 0; // between the slices, or on the 3-D view
    const [x, y, z] = this.nv.frac2mm(frac, SCAN, true);
    this.onHover(outside ? 0 : (this.labels?.at([x!, y!, z!]) ?? 0));
  }

  private colors() {
    const { hidden } = this.look;
    const channel = (start: number) => [0, ...this.regions.map(({ color }) => parseInt(color.slice(start, start + 2), 16))];
    return {
      R: channel(1),
      G: channel(3),
      B: channel(5),
      A: [0, ...this.regions.map(({ index }) => (hidden.has(index) ? 0 : 255))],
      I: [0, ...this.regions.map(({ index }) => index)],
      labels: ["", ...this.regions.map(({ name }) => name)],
    };
  }
}

function labelsOf(image: NVImage): LabelMap {
  const [, nx, ny, nz] = image.hdr!.dims;
  return new LabelMap(image.img!, [nx!, ny!, nz!], image.hdr!.affine as Affine);
}
