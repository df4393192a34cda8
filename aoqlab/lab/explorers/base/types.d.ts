// What explorers' scripts share, for the type checker alone.

/** The style sheets of an explorer, which scripts.py puts before its scripts. */
declare const STYLE: string;

/** Where every control is: the index of a slider's stop, the key of a menu, the bool of a box. */
type State = Record<string, any>;

/** A control, as controls.py describes it. */
interface Spec {
  kind: "slider" | "menu" | "check";
  name: string;
  label: string;
  values: any[];
  shown: string[];
  options: [string, string][];
  /** Milliseconds per stop. */
  play?: number;
  step: number;
}

/** What an explorer is connected to: a widget and its kernel, or the payload of an exported page. */
interface Model {
  get(name: string): any;
  save(state: State): void;
  onchange(name: string, act: (value: any) => void): () => void;
  onlife(act: () => void): () => void;
  alive(): boolean;
  ask(kind: string, state: State, payload: object): Promise<any>;
}

/** Colours and font of the page; see colors.js. */
interface Theme {
  fg: string;
  dim: string;
  bg: string;
  edge: string;
  dark: boolean;
  font: string;
  blue: string;
  vermillion: string;
  purple: string;
}

type Numbers = ArrayLike<number> & Iterable<number>;
type Style = { color?: string; width?: number; dash?: number[]; alpha?: number };
type LegendEntry = [words: string, color: string, dash?: number[]];
type Scale = { low: number; high: number; log?: boolean; label: string; shade: (value: number) => string };
type AxesOptions = {
  x: number[];
  y: number[];
  xlabel?: string;
  ylabel?: string;
  xformat?: (value: number) => string;
  yformat?: (value: number) => string;
  xticks?: number[];
  yticks?: number[];
  logx?: boolean;
  logy?: boolean;
  square?: boolean;
  bar?: boolean;
};

/** A canvas with a caption; see panel.js. */
interface Panel {
  canvas: HTMLCanvasElement;
  figure: HTMLElement;
  caption: HTMLElement;
  axes(options: AxesOptions): import("./plot.js").Axes;
  describe(words: string): void;
  onpoint(act: (x: number, y: number) => void): void;
  [own: string]: any;
}

type Readout = { label: string; value: string; note?: string };

/** What mount.js gives to an explorer. */
interface Ui {
  el: HTMLElement;
  state: State;
  data: any;
  specs: Record<string, Spec>;
  controls: Record<string, HTMLElement>;
  theme: Theme;
  value(name: string): any;
  set(changes: State): void;
  show(): void;
  enable(name: string, yes: boolean, why?: string): void;
  beside(name: string, words: string | null): void;
  redraw(): void;
  panel(options: { title: string; height?: number; grow?: number }): Panel;
  readouts(entries: Readout[]): void;
  note(words: string): void;
  say(words: string): void;
  alive(): boolean;
  /** Another trait of the widget than state and data, and what to call when one changes. */
  get(name: string): any;
  on(name: string, act: (value: any) => void): void;
  /** Patient: nothing is said where the answer takes long. */
  ask(kind: string, payload?: object, patient?: boolean): Promise<any>;
  named?: () => void;
}

/** What an explorer returns to mount.js; see explorer.py. */
interface View {
  draw(state: State): void;
  changed?(name: string, state: State): void;
  rest?(state: State): void | Promise<void>;
  propose?(state: State): string;
  /** What to take of a state that Python sends; without it, all. */
  taken?(state: State): State;
  /** Whether the state is not to be sent to Python now. */
  busy?(): boolean;
}
