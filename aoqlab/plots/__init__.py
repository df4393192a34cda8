"""Axes-level figures, drawn from tables and arrays alone."""

from aoqlab.plots.comparisons import method_comparison as method_comparison
from aoqlab.plots.histories import crossings_over_time as crossings_over_time
from aoqlab.plots.histories import level_histogram_over_time as level_histogram_over_time
from aoqlab.plots.hulls import convex_hull as convex_hull
from aoqlab.plots.labels import column_label as column_label
from aoqlab.plots.landscapes import landscape as landscape
from aoqlab.plots.palette import LEVEL_CMAP as LEVEL_CMAP
from aoqlab.plots.palette import METHOD_COLORS as METHOD_COLORS
from aoqlab.plots.palette import level_colors as level_colors
from aoqlab.plots.palette import method_color as method_color
from aoqlab.plots.palette import method_label as method_label
from aoqlab.plots.pretrained import pretrained_histograms as pretrained_histograms
from aoqlab.plots.profiles import interval_profile as interval_profile
from aoqlab.plots.style import use_style as use_style
from aoqlab.plots.surfaces import interval_surface as interval_surface
from aoqlab.plots.trajectories import weight_trajectories as weight_trajectories
from aoqlab.plots.transfer import staircase as staircase
from aoqlab.plots.transitions import transition_heatmap as transition_heatmap
from aoqlab.plots.weights import weight_histogram as weight_histogram
