package check

import (
	"cmp"
	"slices"
	"time"

	"interlock/cmd/lab/fault/history"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// turn is one change of a run's maps in the replay.
type turn struct {
	at      time.Time
	release bool
	ticket  *history.Stored
}

// replay sells every run again in the order of the ledger's times, and says which refusals it cannot explain: a buyer was
// told that nothing is left, and at every moment of his call, and a little before it, something was.
func replay(r *Result, calls []history.Call, primary history.Member, books []*rail.Books, early time.Duration) map[history.Request]bool {
	turns := map[rail.RunID][]turn{}
	for i := range primary.Tickets {
		t := &primary.Tickets[i]
		if t.EndedAt.Equal(t.PlacedAt) {
			continue // it lived for less than a millisecond, and nobody can say what came first
		}
		turns[t.Run] = append(turns[t.Run], turn{at: t.PlacedAt, ticket: t})
		if !t.EndedAt.IsZero() {
			turns[t.Run] = append(turns[t.Run], turn{at: t.EndedAt, release: true, ticket: t})
		}
	}
	refusals := map[rail.RunID][]history.Call{}
	for _, c := range calls {
		if c.Kind == history.Place && c.Outcome == history.Refused && c.Code == "SOLD_OUT" {
			refusals[c.Run] = append(refusals[c.Run], c)
		}
	}
	wrongNo := map[history.Request]bool{}
	for _, b := range books {
		p := &player{result: r, maps: map[rail.SeatClass]*seatmap.Map{}, wrongNo: wrongNo, early: early}
		for _, class := range b.Run.Train.Formation.Classes {
			p.maps[class] = seatmap.New(b.Run.Train.Legs(), len(b.Run.Train.Formation.Seats(class)))
		}
		p.play(turns[b.Run.ID], refusals[b.Run.ID])
	}
	return wrongNo
}

// player replays one run.
type player struct {
	result  *Result
	maps    map[rail.SeatClass]*seatmap.Map
	wrongNo map[history.Request]bool
	// early is how much earlier than a call the time of what it did may be.
	early time.Duration
	// open are the refusals whose calls are under way and not explained yet.
	open []history.Call
}

func (p *player) play(turns []turn, refusals []history.Call) {
	slices.SortFunc(turns, func(a, b turn) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		// A batch gives back first, and sells then.
		return cmp.Compare(rank(a), rank(b))
	})
	slices.SortFunc(refusals, func(a, b history.Call) int { return a.Start.Compare(b.Start) })
	for _, t := range turns {
		for len(refusals) > 0 && refusals[0].Start.Add(-p.early).Before(t.at) {
			p.begin(refusals[0])
			refusals = refusals[1:]
		}
		p.endBefore(t.at)
		p.result.Looked++
		m, s := p.maps[t.ticket.Class], t.ticket
		if m == nil {
			p.result.wrong("order %s has a seat of %s, and its run no such seats", s.Number, s.Class)
			continue
		}
		act, what := m.Sell, "sold"
		if t.release {
			act, what = m.Release, "given back"
		}
		if err := act(s.SeatIndex, s.From, s.To); err != nil {
			p.result.wrong("%s, replayed: order %s, coach %s seat %s from call %d to %d, cannot be %s at %s: %v", s.Run, s.Number, s.Coach,
				s.Seat, s.From+1, s.To+1, what, t.at.Format(time.TimeOnly+".000"), err)
		}
		p.explain()
	}
	for _, c := range refusals {
		p.begin(c)
	}
	p.endBefore(time.Unix(1<<40, 0))
}

func rank(t turn) int {
	if t.release {
		return 0
	}
	return 1
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

// endBefore convicts those whose call was over before a time.
func (p *player) endBefore(t time.Time) {
	p.open = slices.DeleteFunc(p.open, func(c history.Call) bool {
		over := c.End.Add(clockSlack).Before(t)
		if over {
			p.wrongNo[c.Request] = true
			p.result.wrong("%s was told that no seat of %s is left from call %d to %d of %s, and at every moment of the call one was",
				c.Buyer, c.Class, c.From+1, c.To+1, c.Run)
		}
		return over
	})
}

func (p *player) soldOut(c history.Call) bool {
	m := p.maps[c.Class]
	return m == nil || m.Remaining(c.From, c.To) == 0
}
