"""Dashboards as Grafana's own model has them, by its typed SDK. Pure."""

from __future__ import annotations

import json
from typing import Any

from grafana_foundation_sdk.builders import common, stat, statushistory, table, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model

from .model import Board, Panel, Place, Section, placed
from .names import part

SOURCE = model.DataSourceRef(type_val="graphite", uid="${datasource}")  # chosen above each dashboard
REFRESH = "30s"
AnyPanel = timeseries.Panel | stat.Panel | table.Panel | statushistory.Panel


class GraphiteQuery(Dataquery):
    """A target of Graphite, for which the SDK has no class of its own."""

    def __init__(self, letter: str, target: str) -> None:
        self._letter, self._target = letter, target

    def to_json(self) -> dict[str, object]:
        """As Grafana's data source of Graphite keeps it; its text editor, since our functions are nested."""
        return {"refId": self._letter, "datasource": SOURCE, "target": self._target, "textEditor": True}


class _Built(Builder[Dataquery]):
    def __init__(self, query: GraphiteQuery) -> None:
        self._query = query

    def build(self) -> Dataquery:
        return self._query


def text(board: Board) -> str:
    """The dashboard's JSON, as Grafana's import and its provisioning take it."""
    return json.dumps(built(board), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def built(board: Board) -> model.Dashboard:
    """The dashboard in the SDK's model."""
    made = (
        builders.Dashboard(board.title)
        .uid(board.uid)
        .description(board.text)
        .tags(_tags(board))
        .timezone("browser")
        .time("now-6h", "now")
        .refresh(REFRESH)
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .with_variable(builders.DatasourceVariable("datasource").label("Graphite").type("graphite"))
        .link(
            builders.DashboardLink("Others")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags(_tags(board))
            .as_dropdown(True)
            .keep_time(True)
        )
    )
    if board.sites:
        made.with_variable(_sites(board.federation))
    for each, place in placed(board):
        if isinstance(each, Section):
            made.with_row(builders.Row(each.title).id(each.id).grid_pos(_grid(place)))
        else:
            made.with_panel(_panel(each, place))
    return made.build()


def _tags(board: Board) -> list[str]:
    return ["aerie", f"federation:{board.federation}"]


def _sites(federation: str) -> builders.QueryVariable:
    every = model.VariableOption(text="All", value="$__all", selected=True)
    return (
        builders.QueryVariable("site")
        .label("Site")
        .datasource(SOURCE)
        .query(f"aerie.{part(federation)}.*")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value("*")
        .current(every)
    )


def _grid(place: Place) -> model.GridPos:
    return model.GridPos(h=place.height, w=place.width, x=place.x, y=place.y)


def _panel(panel: Panel, place: Place) -> AnyPanel:
    made = _KINDS[panel.kind](panel)
    made.id(panel.id).title(panel.title).description(panel.text).datasource(SOURCE).grid_pos(_grid(place))
    made.unit(panel.grafana_unit)
    for number, each in enumerate(panel.series):
        made.with_target(_Built(GraphiteQuery(chr(ord("A") + number), each.target)))
    if panel.words:
        options = {
            value: model.ValueMappingResult(text=word, index=n) for n, (value, word) in enumerate(panel.words.items())
        }
        made.mappings([model.ValueMap(options=options)])
    if panel.limits:
        made.thresholds(_thresholds(panel.limits, panel.colours))
        made.color_scheme(builders.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    return made


def _thresholds(limits: tuple[float, float], colours: tuple[str, str, str]) -> builders.ThresholdsConfig:
    rising = colours if limits[0] <= limits[1] else colours[::-1]
    steps = [model.Threshold(value=v, color=c) for v, c in zip((None, *sorted(limits)), rising, strict=True)]
    return builders.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _graph(panel: Panel) -> AnyPanel:
    legend = common.VizLegendOptions().show_legend(True).placement(common_model.LegendPlacement.BOTTOM)
    legend.display_mode(common_model.LegendDisplayMode.LIST)
    many = common.VizTooltipOptions().mode(common_model.TooltipDisplayMode.MULTI)
    made = timeseries.Panel().min(0).line_width(1).fill_opacity(30 if panel.stacked else 5).legend(legend).tooltip(many)
    if panel.stacked:
        made.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL).group("A"))
    return made


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _stat(panel: Panel) -> AnyPanel:
    made = stat.Panel().reduce_options(_last()).graph_mode(common_model.BigValueGraphMode.AREA)
    colour = common_model.BigValueColorMode.BACKGROUND if panel.limits else common_model.BigValueColorMode.VALUE
    return made.color_mode(colour).text_mode(common_model.BigValueTextMode.VALUE_AND_NAME)


def _table(panel: Panel) -> AnyPanel:
    """A line for each series with its latest value."""
    latest = model.DataTransformerConfig(
        id_val="reduce", options={"reducers": ["lastNotNull"], "mode": "seriesToRows", "includeTimeField": False}
    )
    cell = model.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-background"})
    made = table.Panel().align(common_model.FieldTextAlignment.AUTO).inspect(False)
    return made.with_transformation(latest).override_by_name("Last *", [cell] if panel.limits else [])


def _history(panel: Panel) -> AnyPanel:
    """A line of cells for each series. As many points as cells fit in."""
    made = statushistory.Panel().show_value(common_model.VisibilityMode.NEVER).max_data_points(panel.width * 5)
    return made.row_height(0.9).line_width(1).fill_opacity(70)


_KINDS = {"graph": _graph, "stat": _stat, "table": _table, "history": _history}


def targets(dashboard: dict[str, Any]) -> list[str]:
    """Every target of a dashboard's JSON."""
    return [each["target"] for panel in dashboard["panels"] for each in panel.get("targets", [])]
