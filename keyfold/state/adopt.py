"""What becomes of a stored state when it is opened with the catalog of an SQL file.

- A view that is the same stays with its rows, one that is new begins.
- A view or source that the file no longer has is refused, unless it is to be dropped: a file that
  was meant for another directory must not cost the rows that lie here.
- A view or source that differs is refused, unless it is to be built again.
- A source whose columns are not known yet has no views in the catalog, and nothing of it is dropped
  for that: what an earlier statement of the same name left stays, if it is to be built again, until
  the columns are there. Where it began to wait is kept as long as it waits with the same statement.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from keyfold.errors import SettingsError, ViewChangedError, did_you_mean
from keyfold.state.record import CommitRecord, SourceRecord, StoredCatalog, ViewRecord
from keyfold.view.plan import PLAN_FORMAT, Catalog, SourcePlan, ViewPlan


@dataclass(frozen=True, slots=True)
class Wish:
    """What a state is to be opened with, beside the catalog.

    Attributes:
        rebuild: Views (or sources: all views of one) to build again from the log.
        rebuild_request: A name for this wish to rebuild; one that was fulfilled already, by an
            earlier life of the process, is not fulfilled again.
        drop: Views (or sources: all views of one) that the file no longer has, and whose rows go.
            What is gone already is passed over: a restart has the same wish.
        starts: Sources whose columns were just detected: where to begin. Nothing that an earlier
            statement of the same name left is kept.
        aside: View → source of the views that the file has and the catalog has not.
        wrong: View → statement of those that do not fit the columns of their source.
    """

    rebuild: Collection[str] = ()
    rebuild_request: str = ""
    drop: Collection[str] = ()
    starts: Mapping[str, SourceRecord] = field(default_factory=dict)
    aside: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Adoption:
    """What is kept from now on.

    Attributes:
        stored: The catalog as it is to lie in the store.
        changed: Whether it lies there otherwise now.
        dropped: Ids of views whose rows go.
        gone: What the state had and has no longer: ``view a``, ``source b``.
    """

    stored: StoredCatalog
    changed: bool
    dropped: list[int]
    gone: list[str]


def adopt(
    stored: StoredCatalog | None, catalog: Catalog, record: CommitRecord, wish: Wish
) -> Adoption:
    """Compare a catalog with the stored one, and bring the record up to it.

    Args:
        stored: What the state was kept with; None for a new one.
        catalog: The compiled SQL.
        record: The working copy of the commit record, which is changed.
        wish: What else is wished.

    Raises:
        ViewChangedError: A view or source differs from the stored one and is not to be rebuilt,
            or is not in the file and not to be dropped.
        SettingsError: ``wish.rebuild`` names something that the file does not have, or
            ``wish.drop`` something that it has.
    """
    _check_names(catalog, wish)
    before = stored.catalog if stored else Catalog((), ())
    gone = _gone(before, catalog, wish)
    waiting = {source.name: source.fingerprint for source in catalog.sources if source.waiting}
    catalog = _with_kept(before, catalog, wish)
    asked = _asked(stored, wish)
    again = asked.difference(waiting, wish.aside) | set(wish.starts)
    again |= {view.name for view in catalog.views if again.intersection(view.sources)}
    begun = _adopt_sources(before, catalog, record, again, asked & waiting.keys())
    _adopt_begins(before, record, waiting, again | asked)
    ids = dict(stored.view_ids) if stored else {}
    next_id = stored.next_view_id if stored else 1
    dropped: list[int] = []
    old_views = {view.name: view for view in before.views}
    for view in catalog.views:
        previous = old_views.get(view.name)
        same = previous is not None and previous.fingerprint == view.fingerprint
        if previous is not None and not same and view.name not in again:
            raise _changed_view(view.name, _differences(previous, view))
        if view.name in ids and same and view.name not in again:
            _check_retention(view, previous)
            continue
        if view.name in ids:
            dropped.append(ids.pop(view.name))
        ids[view.name] = next_id
        next_id += 1
        record.views[view.name] = ViewRecord.of(view)
    for name in set(ids) - {view.name for view in catalog.views}:
        dropped.append(ids.pop(name))
        record.views.pop(name, None)
    source_ids: dict[str, int] = {}
    if stored is not None:  # in a source's first build there is no earlier one to tell it from
        names = {source.name for source in catalog.sources}
        source_ids = {name: one for name, one in stored.source_ids.items() if name in names}
        source_ids |= {name: next_id + place for place, name in enumerate(begun)}
        next_id += len(begun)
    for told in record.views.values():
        if told.error:  # a new life tries again, from where the view stopped
            told.stop("")
            for one in (told, *told.parts.values()):
                one.ready = False
    if (
        stored is not None
        and stored.catalog == catalog
        and stored.view_ids == ids
        and stored.source_ids == source_ids
        and stored.plan_format == PLAN_FORMAT
        and stored.wrong == wish.wrong
        and not asked
    ):
        return Adoption(stored, False, dropped, gone)
    new = StoredCatalog(
        version=(stored.version if stored else 0) + 1,
        catalog=catalog,
        view_ids=ids,
        next_view_id=next_id,
        plan_format=PLAN_FORMAT,
        rebuild_request=wish.rebuild_request,
        wrong=dict(wish.wrong),
        source_ids=source_ids,
    )
    record.catalog_version = new.version
    return Adoption(new, True, dropped, gone)


def _gone(before: Catalog, catalog: Catalog, wish: Wish) -> list[str]:
    """Return what the state has and the file has not, as it is told to people.

    A source is kept by its views: it goes without a word of its own where none is left of those
    that it had.

    Raises:
        ViewChangedError: Something of it is not to be dropped.
    """
    here = {view.name for view in catalog.views} | set(wish.aside)
    sources_here = {source.name for source in catalog.sources}
    views = [view for view in before.views if view.name not in here]
    sources = [source.name for source in before.sources if source.name not in sources_here]
    with_views = {source for view in before.views for source in view.sources}
    kept_views = [view for view in views if not {view.name, *view.sources} & set(wish.drop)]
    kept_sources = [name for name in sources if name not in with_views | set(wish.drop)]
    if kept_views or kept_sources:
        raise _left_out([view.name for view in kept_views], kept_sources)
    return [*(f"view {view.name}" for view in views), *(f"source {name}" for name in sources)]


def _with_kept(before: Catalog, catalog: Catalog, wish: Wish) -> Catalog:
    """Put what is stored of sources that wait into the catalog, in place of nothing.

    Raises:
        ViewChangedError: It is not to be built again. Had it not changed, the columns were known.
    """
    old_sources = {source.name: source for source in before.sources}
    sources: list[SourcePlan] = []
    kept: list[ViewPlan] = []
    for source in catalog.sources:
        old = old_sources.get(source.name)
        if not source.waiting or old is None or old.waiting:
            sources.append(source)
            continue
        if source.name not in wish.rebuild and source.name not in wish.starts:
            raise _changed_source(source.name)
        sources.append(old)
        kept += [
            view
            for view in before.views
            if view.sources == (source.name,) and wish.aside.get(view.name) == source.name
        ]
    names = {view.name for view in kept}
    for view in before.views:
        now_of = wish.aside.get(view.name)
        asked = view.name in wish.rebuild or now_of in wish.rebuild or now_of in wish.starts
        if now_of is not None and view.name not in names and not asked:
            raise _changed_view(view.name)
    return Catalog(tuple(sources), catalog.views + tuple(kept))


def _asked(stored: StoredCatalog | None, wish: Wish) -> set[str]:
    """Return what is to be built again and was not yet; what waits for columns is so later."""
    done = bool(stored and wish.rebuild_request and stored.rebuild_request == wish.rebuild_request)
    return set() if done else set(wish.rebuild)


def _adopt_sources(
    before: Catalog,
    catalog: Catalog,
    record: CommitRecord,
    again: Collection[str],
    unbegun: Collection[str],
) -> list[str]:
    """Bring the records of sources up to the catalog; return those that begin anew, in order."""
    old_sources = {source.name: source for source in before.sources}
    for source in catalog.sources:
        old = old_sources.get(source.name)
        changed = old is not None and old.fingerprint != source.fingerprint
        if source.name in again:
            record.sources.pop(source.name, None)
        elif source.waiting and (changed or source.name in unbegun):
            record.sources.pop(source.name, None)  # nothing was read for it
        elif old is not None and not old.waiting and changed:
            raise _changed_source(source.name)
    names = {source.name for source in catalog.sources}
    for name in set(record.sources) - names:
        del record.sources[name]
    begun = sorted(names - set(record.sources))
    record.sources |= {name: SourceRecord() for name in begun}
    return begun


def _adopt_begins(
    before: Catalog, record: CommitRecord, waiting: Mapping[str, str], anew: Collection[str]
) -> None:
    """Keep where sources began that still wait with the same statement.

    Args:
        before: The catalog as it was stored.
        record: Its sources are those of the new catalog already.
        waiting: Source → fingerprint of those that wait now.
        anew: Sources that begin anew, whatever they say.
    """
    for source in before.sources:
        if not source.waiting or source.name not in record.sources or source.name in anew:
            continue
        begin = record.begins.get(source.name)
        if source.name not in waiting and begin is not None:
            record.sources[source.name] = begin.start  # its columns were written down meanwhile
    record.begins = {
        name: begin
        for name, begin in record.begins.items()
        if name not in anew and waiting.get(name) == begin.fingerprint
    }


def _changed_source(name: str) -> ViewChangedError:
    return ViewChangedError(
        f"source {name} differs from the one that the state was built from",
        hint=f"undo the change, or build its views again with --rebuild {name}",
    )


def _changed_view(name: str, differences: Sequence[str] = ()) -> ViewChangedError:
    told = f": {'; '.join(differences)}" if differences else ""
    return ViewChangedError(
        f"view {name} differs from the one that the state was built with{told}",
        hint=f"undo the change, or build it again with --rebuild {name}",
    )


def _differences(before: ViewPlan, now: ViewPlan) -> list[str]:
    """Say in which parts of its SQL a view differs whose fingerprint does."""
    found = []
    if set(before.sources) != set(now.sources):
        found.append(f"it reads {', '.join(now.sources)}, and read {', '.join(before.sources)}")
    keys = [[(key.type, key.sql) for key in plan.keys] for plan in (before, now)]
    if keys[0] != keys[1]:
        names = [", ".join(f"{key.name} {key.type}" for key in plan.keys) for plan in (now, before)]
        same = "of another expression" if names[0] == names[1] else f"and was ({names[1]})"
        found.append(f"its key is ({names[0]}), {same}")
    if before.aggregates != now.aggregates:
        found.append("its aggregates are others")
    if before.window != now.window:
        found.append("its window is another")
    if before.on_late != now.on_late:
        found.append(f"on_late is {now.on_late}, and was {before.on_late}")
    if (before.retention_us is None) != (now.retention_us is None):
        found.append("only one of them has a retention")
    return found or ["its WHERE, or what FROM makes of the events, is another"]


def _left_out(views: Sequence[str], sources: Sequence[str]) -> ViewChangedError:
    names = [*(f"view {name}" for name in views), *(f"source {name}" for name in sources)]
    them = "it" if len(names) == 1 else "them"
    flags = " ".join(f"--drop {name}" for name in (*views, *sources))
    return ViewChangedError(
        f"the state has what the SQL file has not: {', '.join(names)}",
        hint=f"put {them} back, use another --data-dir, or drop {them} with {flags}",
    )


def _check_retention(view: ViewPlan, previous: ViewPlan | None) -> None:
    """Refuse a longer retention: rows it would bring back are deleted, and would begin at zero."""
    if previous is None or view.retention_us is None or previous.retention_us is None:
        return
    if view.retention_us > previous.retention_us:
        raise ViewChangedError(
            f"view {view.name} is to be retained longer than what is deleted already",
            hint=f"undo the change, or build the view again with --rebuild {view.name}",
        )


def _check_names(catalog: Catalog, wish: Wish) -> None:
    known = {view.name for view in catalog.views} | set(wish.aside)
    known |= {source.name for source in catalog.sources}
    for name in sorted(set(wish.rebuild) - known):
        raise SettingsError(
            f"--rebuild {name}: the SQL file has no view or source of that name",
            hint=did_you_mean(name, known),
        )
    for name in sorted(known.intersection(wish.drop)):
        raise SettingsError(
            f"--drop {name}: the SQL file has a view or source of that name",
            hint="take it out of the file as well, or leave the flag away",
        )
