export function explore(ui) {
  const panel = ui.panel({ title: "wave", height: 220 });
  return {
    draw() {
      const xs = Array.from({ length: 101 }, (_, i) => i / 100);
      const axes = panel.axes({ x: [0, 1], y: [-1, 1], xlabel: "time (s)", ylabel: "height" });
      axes.line(
        xs,
        xs.map((x) => Math.sin(2 * Math.PI * ui.value("frequency") * x)),
        { color: ui.theme.blue },
      );
      ui.readouts([{ label: "period", value: `${1 / ui.value("frequency")} s` }]);
    },
    propose: () => "waves",
  };
}
