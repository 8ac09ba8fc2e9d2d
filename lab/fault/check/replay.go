package check

import (
	"cmp"
	"slices"
	"time"

	"interlock/lab/fault/history"
	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// aheadFor is how long before a batch what it goes by may have been read (decision 0034).
const aheadFor = 50 * time.Millisecond

// batch is what one version of a run did to its maps: it gave back first, and sold then.
type batch struct {
	version        int64
	released, sold []*history.Stored
}

// batches are those of every run, in the order of their versions.
func batches(primary history.Member) map[rail.RunID][]*batch {
	type key struct {
		run     rail.RunID
		version int64
	}
	known, all := map[key]*batch{}, map[rail.RunID][]*batch{}
	at := func(run rail.RunID, version int64) *batch {
		t := known[key{run, version}]
		if t == nil {
			t = &batch{version: version}
			known[key{run, version}] = t
			all[run] = append(all[run], t)
		}
		return t
	}
	for i := range primary.Tickets {
		s := &primary.Tickets[i]
		placed := at(s.Run, s.PlacedVersion)
		placed.sold = append(placed.sold, s)
		if !s.EndedAt.IsZero() {
			ended := at(s.Run, s.EndedVersion)
			ended.released = append(ended.released, s)
		}
	}
	for _, one := range all {
		slices.SortFunc(one, func(a, b *batch) int { return cmp.Compare(a.version, b.version) })
	}
	return all
}

// replay sells every run again, version by version, and says which refusals it cannot explain. Those are of buyers who
// were told that not enough is left, although it was at every moment of the call, and a little before it.
func replay(
	r *Result, calls []history.Call, primary history.Member, snapshots []*ledger.AuditSnapshot, early time.Duration,
) map[history.Request]bool {
	all := batches(primary)
	refusals := map[rail.RunID][]history.Call{}
	for _, c := range calls {
		if c.Kind == history.Place && c.Outcome == history.Refused && c.Code == "SOLD_OUT" {
			refusals[c.Run] = append(refusals[c.Run], c)
		}
	}
	wrongNo := map[history.Request]bool{}
	for _, b := range snapshots {
		p := &player{result: r, run: b.Run.ID, maps: map[rail.SeatClass]*seatmap.Map{}, wrongNo: wrongNo, early: early}
		for _, class := range b.Run.Train.Formation.Classes {
			p.maps[class] = seatmap.New(b.Run.Train.Legs(), len(b.Run.Train.Formation.Seats(class)))
		}
		p.play(all[b.Run.ID], refusals[b.Run.ID])
		if one := all[b.Run.ID]; len(one) > 0 && one[len(one)-1].version > b.Version {
			r.wrong("%s is at version %d, and has orders of version %d", b.Run.ID, b.Version, one[len(one)-1].version)
		}
	}
	return wrongNo
}

// player replays one run.
type player struct {
	result  *Result
	run     rail.RunID
	maps    map[rail.SeatClass]*seatmap.Map
	wrongNo map[history.Request]bool
	// early is how much earlier than it was a version's time may be.
	early time.Duration
	// now is when the last version was made.
	now time.Time
	// open are the refusals whose calls are under way and not explained yet.
	open []history.Call
}

func (p *player) play(batches []*batch, refusals []history.Call) {
	slices.SortFunc(refusals, func(a, b history.Call) int { return a.Start.Compare(b.Start) })
	for _, t := range batches {
		begun := p.pass(t)
		for len(refusals) > 0 && refusals[0].Start.Add(-p.early).Before(begun) {
			p.begin(refusals[0])
			refusals = refusals[1:]
		}
		p.endBefore(p.now)
		for _, s := range t.released {
			p.change(t, s, "given back", (*seatmap.Map).Release)
		}
		for _, s := range t.sold {
			p.change(t, s, "sold", (*seatmap.Map).Sell)
		}
		p.explain()
	}
	for _, c := range refusals {
		p.begin(c)
	}
	p.endBefore(time.Unix(1<<40, 0))
}

// times are when a version was made, and when the time of the last of those that ended by themselves with it was over.
// made is zero where the version only swept. All that a version sold and cancelled has one time: with two times it was
// made twice.
func (t *batch) times() (made, over time.Time, twice *history.Stored) {
	at := func(s *history.Stored, when time.Time) {
		if !made.IsZero() && !made.Equal(when) {
			twice = s
		}
		made = when
	}
	for _, s := range t.sold {
		at(s, s.PlacedAt)
	}
	for _, s := range t.released {
		if !s.EndedItself() {
			at(s, s.EndedAt)
		} else if s.EndedAt.After(over) {
			over = s.EndedAt
		}
	}
	return made, over, twice
}

// pass lets time pass until a version was made, and says until when its calls may have seen the version before. A
// version that only swept was made no earlier than its holds were over. A batch whose begin was pipelined may have read
// the version before a moment earlier.
func (p *player) pass(t *batch) (begun time.Time) {
	made, over, twice := t.times()
	switch {
	case t.version <= 0:
		p.result.wrong("%s has orders that belong to no version of it", p.run)
	case twice != nil:
		p.result.wrong("%s, version %d, was made twice, and one of them by order %s", p.run, t.version, twice.Number)
	case made.IsZero():
		p.now = later(p.now, over)
		return later(p.now, over.Add(aheadFor))
	case over.After(made):
		p.result.wrong("%s, version %d, ended a hold %s before it was over", p.run, t.version, over.Sub(made))
	case made.Add(p.early).Before(p.now):
		p.result.wrong("%s, version %d, was made %s before the version before it", p.run, t.version, p.now.Sub(made))
	}
	p.now = later(p.now, made)
	return p.now
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// change sells one ticket's seat again, or gives it back.
func (p *player) change(t *batch, s *history.Stored, what string, act func(m *seatmap.Map, seat, from, to int) error) {
	p.result.Looked++
	m := p.maps[s.Class]
	if m == nil {
		p.result.wrong("order %s has a seat of %s, and its run no such seats", s.Number, s.Class)
		return
	}
	if err := act(m, s.SeatIndex, s.From, s.To); err != nil {
		p.result.wrong("%s, replayed: order %s, coach %s seat %s from call %d to %d, cannot be %s by version %d: %v",
			s.Run, s.Number, s.Coach,
			s.Seat, s.From+1, s.To+1, what, t.version, err)
	}
}

// begin looks at a refusal at the first moment of its call.
func (p *player) begin(c history.Call) {
	p.result.Looked++
	if !p.soldOut(c) {
		p.open = append(p.open, c)
	}
}

// explain takes away the refusals that were right just now.
func (p *player) explain() { p.open = slices.DeleteFunc(p.open, p.soldOut) }

// endBefore judges the refusals whose call was over before a time: no moment explained them.
func (p *player) endBefore(t time.Time) {
	p.open = slices.DeleteFunc(p.open, func(c history.Call) bool {
		over := c.End.Add(clockSlack).Before(t)
		if over {
			p.wrongNo[c.Request] = true
			p.result.wrong("%s was told that no seat of %s is left for %d from call %d to %d of %s, and at every "+
				"moment of the call enough were",
				c.Buyer, c.Class, max(1, len(c.Passengers)), c.From+1, c.To+1, c.Run)
		}
		return over
	})
}

func (p *player) soldOut(c history.Call) bool {
	m := p.maps[c.Class]
	return m == nil || m.Remaining(c.From, c.To) < max(1, len(c.Passengers))
}
