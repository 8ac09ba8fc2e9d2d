package sqlledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// publishPlan is what is to be done with each run that is published, in their order.
type publishPlan struct {
	// feed is what the runs belong to from then on.
	feed         ledger.Feed
	publications []ledger.Publication
	// before is the version that a run which moves has now, was its status.
	before map[rail.RunID]int64
	was    map[rail.RunID]rail.RunStatus
}

// with are the publications with some outcomes, in their order.
func (p *publishPlan) with(outcomes ...ledger.Outcome) []*ledger.Publication {
	var some []*ledger.Publication
	for i := range p.publications {
		if slices.Contains(outcomes, p.publications[i].Outcome) {
			some = append(some, &p.publications[i])
		}
	}
	return some
}

func (p *publishPlan) moved() []rail.RunID {
	var ids []rail.RunID
	for _, each := range p.with(ledger.RunCreated, ledger.RunChanged, ledger.RunResumed, ledger.RunMarked) {
		ids = append(ids, each.Run.ID)
	}
	return ids
}

// storedRun is a run's row, as a publication finds it.
type storedRun struct {
	runRow
	version     int64
	publication int64
	feed        ledger.Feed
	// dropped tells that the last decision about the run was that Drop withdrew or suspended it.
	dropped bool
}

// plan compares runs with what is there. With lock, those that are to move are locked before it looks whether they have
// orders, so that none can come in between.
func (t *transaction) plan(
	ctx context.Context, feed ledger.Feed, runs []*rail.Run, lock bool,
) (*publishPlan, error) {
	given := make(map[rail.RunID]bool, len(runs))
	for _, r := range runs {
		if given[r.ID] {
			return nil, rail.Refuse(rail.Invalid, "the run %s is there twice", r.ID)
		}
		given[r.ID] = true
	}
	stored, err := t.storedRuns(ctx, idsOf(runs), "")
	if err != nil {
		return nil, err
	}
	plan := &publishPlan{
		feed, make([]ledger.Publication, len(runs)),
		map[rail.RunID]int64{},
		map[rail.RunID]rail.RunStatus{},
	}
	var moving []rail.RunID
	for i, r := range runs {
		run := *r
		plan.publications[i] = ledger.Publication{Run: &run, Outcome: ledger.RunCreated}
		was, there := stored[r.ID]
		if !there {
			continue
		}
		p := &plan.publications[i]
		p.Outcome, p.Feed = was.outcome(r, feed), was.feed
		switch p.Outcome {
		case ledger.RunChanged, ledger.RunResumed, ledger.RunMarked:
			moving = append(moving, r.ID)
		}
	}
	if lock {
		locked, err := t.storedRuns(ctx, moving, t.pool.dialect.forUpdate())
		if err != nil {
			return nil, err
		}
		for id, was := range locked {
			stored[id] = was
		}
	}
	if err := t.leaveOrders(ctx, plan); err != nil {
		return nil, err
	}
	plan.settle(stored)
	return plan, nil
}

// outcome is what publishing a run does to the one that is there, apart from its orders.
func (s *storedRun) outcome(r *rail.Run, feed ledger.Feed) ledger.Outcome {
	same, status := s.same(r), rail.RunStatus(s.status)
	byPerson, own := feed.Name == "", s.feed.Name == feed.Name
	switch {
	case byPerson && same:
		return ledger.RunUnchanged
	case byPerson:
		return ledger.RunChanged
	case status == rail.Withdrawn && !s.dropped:
		return ledger.RunStaysWithdrawn
	case status == rail.Withdrawn:
		return ledger.RunChanged
	case !own && same:
		return ledger.RunUnchanged
	case !own:
		return ledger.RunOfAnother
	case same && status == rail.Suspended && s.dropped:
		return ledger.RunResumed
	case same && s.feed != feed:
		return ledger.RunMarked
	case same:
		return ledger.RunUnchanged
	}
	return ledger.RunChanged
}

// same tells whether a run is on sale just like that already.
func (s *storedRun) same(r *rail.Run) bool {
	return s.trainID == r.Train.ID && s.opensAt == r.SaleOpensAt.UnixMilli() &&
		s.closesBefore == int64(r.ClosesBefore/time.Second) && rail.RunStatus(s.status) != rail.Withdrawn
}

// leaveOrders refuses to change runs that have live orders, all of them at once. Those of a feed are left as they are.
// An order past its time is no live one.
func (t *transaction) leaveOrders(ctx context.Context, plan *publishPlan) error {
	changed := plan.with(ledger.RunChanged)
	runs := make([]*rail.Run, len(changed))
	for i, p := range changed {
		runs[i] = p.Run
	}
	busy, err := t.busy(ctx, idsOf(runs))
	if err != nil {
		return err
	}
	if plan.feed.Name == "" {
		return refuseOrders(runs, busy)
	}
	for _, p := range changed {
		if busy[p.Run.ID] {
			p.Outcome = ledger.RunHasOrders
		}
	}
	return nil
}

// settle writes down which status and version each run gets, or keeps.
func (p *publishPlan) settle(stored map[rail.RunID]*storedRun) {
	for i := range p.publications {
		each := &p.publications[i]
		run, was := each.Run, stored[each.Run.ID]
		run.Status, run.Reason, each.Version = rail.Published, "", firstVersion
		if was == nil {
			continue
		}
		suspended := rail.RunStatus(was.status) == rail.Suspended
		each.Version = was.version
		switch each.Outcome {
		case ledger.RunChanged, ledger.RunResumed, ledger.RunMarked:
			each.Version = was.version + 1
			p.before[run.ID], p.was[run.ID] = was.version, status(was.status)
			// What a person suspended, only a person resumes.
			if suspended && (p.feed.Name == "" || !was.dropped) {
				run.Status, run.Reason = rail.Suspended, was.reason
			}
		default:
			run.Status, run.Reason = status(was.status), was.reason
		}
	}
}

// storedRuns reads runs by their ids. lock ends the statement.
func (t *transaction) storedRuns(
	ctx context.Context, ids []rail.RunID, lock string,
) (map[rail.RunID]*storedRun, error) {
	found := make(map[rail.RunID]*storedRun, len(ids))
	for chunk := range slices.Chunk(ids, maxIDs) {
		err := t.rows(ctx, "SELECT r.version, r.publication, r.feed, r.feed_selection, "+dropped+", "+runColumns+
			" FROM runs r WHERE r.id IN "+marks(len(chunk))+lock, anys(chunk),
			func(r *sql.Rows) error {
				s := &storedRun{}
				columns := []any{&s.version, &s.publication, &s.feed.Name, &s.feed.Selection, &s.dropped}
				if err := r.Scan(append(columns, s.fields()...)...); err != nil {
					return err
				}
				found[rail.RunID(s.id)] = s
				return nil
			})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// dropped is storedRun.dropped as a column. The record of publications is looked up for the few runs that are off sale
// alone.
const dropped = "CASE WHEN r.status = 'PUBLISHED' THEN 0 ELSE EXISTS (SELECT 1 FROM publications p " +
	"WHERE p.number = r.publication AND p.what = '" + ledger.DidDrop + "') END"

// busy are those of some runs that have live orders. One past its time is none.
func (t *transaction) busy(ctx context.Context, ids []rail.RunID) (map[rail.RunID]bool, error) {
	return t.runsWith(ctx, ids, t.pool.dialect.inStates(live))
}

// runsWith are those of some runs that have orders by a condition.
func (t *transaction) runsWith(
	ctx context.Context, ids []rail.RunID, condition string,
) (map[rail.RunID]bool, error) {
	found := map[rail.RunID]bool{}
	for chunk := range slices.Chunk(ids, maxIDs) {
		err := t.rows(ctx, "SELECT DISTINCT run_id FROM orders WHERE run_id IN "+marks(len(chunk))+" AND "+condition,
			anys(chunk), func(r *sql.Rows) error {
				var id string
				err := r.Scan(&id)
				found[rail.RunID(id)] = true
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// maxNamedRuns is how many runs a refusal names.
const maxNamedRuns = 20

// refuseOrders refuses to change those of some runs that are busy, and names them.
func refuseOrders(runs []*rail.Run, busy map[rail.RunID]bool) error {
	var names []string
	for _, run := range runs {
		if busy[run.ID] {
			names = append(names, run.Name())
		}
	}
	verb := "have orders and cannot be changed"
	switch n := len(names); {
	case n == 0:
		return nil
	case n == 1:
		verb = "has orders and cannot be changed"
	case n > maxNamedRuns:
		names = append(names[:maxNamedRuns], fmt.Sprintf("%d more", n-maxNamedRuns))
	}
	return rail.Refuse(rail.RunHasOrders, "%s %s", strings.Join(names, ", "), verb)
}

func idsOf(runs []*rail.Run) []rail.RunID {
	ids := make([]rail.RunID, len(runs))
	for i, run := range runs {
		ids[i] = run.ID
	}
	return ids
}
