package audit

import (
	"context"
	"maps"
	"slices"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// verifyChanges holds an order's changes against its tickets.
func (v *verifier) verifyChanges(o *ledger.WrittenOrder) {
	if o.Replaces != nil && len(o.Changes) > 0 {
		v.order(CheckChange, o, "its ticket came from a change, and was changed again")
	}
	of := map[int][]rail.ChangeState{}
	for i := range o.Changes {
		c := &o.Changes[i]
		v.verifyChange(o, c)
		if c.State != rail.ChangeEnded {
			of[c.Ticket] = append(of[c.Ticket], c.State)
		}
	}
	for i := range o.Tickets {
		want := map[rail.TicketState]rail.ChangeState{
			rail.TicketChanging: rail.ChangeOpen, rail.TicketChanged: rail.ChangeDone,
		}[o.Tickets[i].Own]
		switch {
		case len(of[i]) > 1:
			v.ticket(CheckChange, o, i, "%d changes of it are open or done, and it can be changed once", len(of[i]))
		case want == "" && len(of[i]) == 1:
			v.ticket(CheckChange, o, i, "a change of it is %s, and it is %s", of[i][0], o.TicketState(i))
		case want != "" && (len(of[i]) == 0 || of[i][0] != want):
			v.ticket(CheckChange, o, i, "it is %s, and no change of it is %s", o.Tickets[i].Own, want)
		}
	}
}

// verifyChange holds a change against itself and the price of its ticket.
func (v *verifier) verifyChange(o *ledger.WrittenOrder, c *rail.TicketChange) {
	wrong := func(check, format string, arguments ...any) {
		v.order(check, o, "change "+c.ID+": "+format, arguments...)
	}
	if !isDigest(c.ID) || c.To == "" {
		wrong(CheckChange, "its id or its run %q is none", c.To)
	}
	if c.Ticket < 0 || c.Ticket >= len(o.Tickets) {
		wrong(CheckChange, "it is of ticket %d, and its order has %d", c.Ticket, len(o.Tickets))
		return
	}
	price := o.Tickets[c.Ticket].Price
	sum := rail.Money{Minor: c.Carried.Minor + c.Rest.Minor, Currency: c.Carried.Currency}
	switch {
	case c.Carried.Minor < 0 || c.Rest.Minor < 0 || sum != price || c.Rest.Currency != price.Currency:
		wrong(CheckChange, "%s is carried over and %s is the rest of %s", c.Carried, c.Rest, price)
	case c.Price.Currency != price.Currency || c.Price.Minor < c.Carried.Minor || c.Rest.Minor > 0 && c.Price != c.Carried:
		wrong(CheckChange, "the new ticket costs %s, %s of it is carried over, and %s is left", c.Price, c.Carried, c.Rest)
	case c.Fee.Minor < 0 || c.Fee.Minor > c.Rest.Minor || c.Fee.Currency != price.Currency:
		wrong(CheckChange, "%s is kept of %s", c.Fee, c.Rest)
	}
	ended := !c.EndedAt.IsZero()
	switch c.State {
	case rail.ChangeOpen:
		if ended {
			wrong(CheckChange, "it is open, and ended at %s", at(c.EndedAt))
		}
		if !v.idle && v.Now.After(c.DueAt.Add(slack)) {
			wrong(CheckOverdue, "it was to be over at %s, and no server has ended it", at(c.DueAt))
		}
	case rail.ChangeDone, rail.ChangeEnded:
		if !ended {
			wrong(CheckChange, "it is %s, and has no time at which it ended", c.State)
		}
	default:
		wrong(CheckChange, "%q is no state of a change", c.State)
	}
	now := v.Now.Add(slack)
	if c.BegunAt.After(now) || c.EndedAt.After(now) || c.DueAt.Before(c.BegunAt) ||
		ended && c.EndedAt.Before(c.BegunAt.Add(-slack)) {
		wrong(CheckChange, "it was begun at %s, due at %s and ended at %s, and now it is %s", at(c.BegunAt), at(c.DueAt),
			at(c.EndedAt), at(v.Now))
	}
}

// change is one side of a change: what the order of the old ticket says of it.
type change struct {
	rail.TicketChange
	run rail.RunID
	old rail.TicketRef
	// service tells that the old order was paid by the payments' service.
	service bool
}

// replacement is the other side: what the order that replaces a ticket says.
type replacement struct {
	run      rail.RunID
	order    string
	replaces rail.TicketRef
	carried  rail.Money
	paid     bool
	live     bool
	// fence tells that it keeps its key from ever placing an order: it has no ticket, and carries nothing over.
	fence bool
}

// moves are both sides of changes, by their ids. The two orders of one may be of two runs, which are read at different
// moments.
type moves struct {
	changes      map[string]change
	replacements map[string]replacement
}

func newMoves() moves {
	return moves{changes: map[string]change{}, replacements: map[string]replacement{}}
}

// note adds what a run's orders say.
func (m moves) note(b *ledger.AuditSnapshot) {
	for _, o := range b.Orders {
		for i := range o.Changes {
			c := &o.Changes[i]
			m.changes[c.ID] = change{*c, b.ID, rail.TicketRef{OrderID: o.ID, Ticket: c.Ticket}, !o.PayingAt.IsZero()}
		}
		if o.Replaces != nil {
			m.replacements[o.Key] = replacement{
				run: b.ID, order: o.ID, replaces: *o.Replaces, carried: o.Carried, paid: !o.PaidAt.IsZero(),
				live: o.State.Live(), fence: len(o.Tickets) == 0,
			}
		}
	}
}

// contradictions are what the two sides of changes say of each other wrongly, by the ids of the changes. The old side
// may be later than the new one of which it has to know. The new side may be later than the old one that it has to
// follow.
func (m moves) contradictions(known func(id string) (replacement, bool)) map[string]Defect {
	defects := map[string]Defect{}
	for id, r := range m.replacements {
		c, there := m.changes[id]
		defect := Defect{Check: CheckChange, Run: r.run, Order: r.order}
		switch {
		case !there:
			defect.Message = "it replaces ticket " + r.replaces.OrderID + ", of which there is no such change"
		case c.old != r.replaces || c.To != r.run:
			defect.Message = "it replaces another ticket, or is of another run, than its change " + id + " says"
		case c.Carried != r.carried && !r.fence:
			defect.Message = "what was carried over to it is " + r.carried.String() + ", and " + c.Carried.String() +
				" by its change"
		default:
			continue
		}
		defects[id] = defect
	}
	for id, c := range m.changes {
		if c.State == rail.ChangeOpen || defects[id].Message != "" {
			continue
		}
		r, there := known(id)
		defect := Defect{Check: CheckChange, Run: c.run, Order: c.old.OrderID}
		switch {
		case c.State == rail.ChangeDone && !there:
			defect.Message = "its change " + id + " is done, and there is no new order"
		case c.State == rail.ChangeDone && !r.paid:
			defect.Message = "its change " + id + " is done, and the new order was never paid"
		case c.State == rail.ChangeEnded && there && (r.paid || r.live):
			defect.Message = "its change " + id + " has ended, and the new order is live or was paid"
		default:
			continue
		}
		defects[id] = defect
	}
	return defects
}

// verifyMoves holds both sides of all changes against each other. What seems wrong is read again: first the runs of the
// old tickets, which know every new order that was seen; then those of the new orders, which know what the old say.
func (a *Auditor) verifyMoves(ctx context.Context, seen moves, report *Report) error {
	look := func(id string) (replacement, bool) {
		r, there := seen.replacements[id]
		return r, there
	}
	suspects := seen.contradictions(look)
	if len(suspects) == 0 {
		return nil
	}
	olds, news := map[rail.RunID]bool{}, map[rail.RunID]bool{}
	for id := range suspects {
		if c, there := seen.changes[id]; there {
			olds[c.run], news[c.To] = true, true
		}
		if r, there := seen.replacements[id]; there {
			news[r.run] = true
			if run, ok := rail.RunOfOrder(r.replaces.OrderID); ok {
				olds[run] = true
			}
		}
	}
	old, later := newMoves(), newMoves()
	if err := a.noteAgain(ctx, olds, old); err != nil {
		return err
	}
	if err := a.noteAgain(ctx, news, later); err != nil {
		return err
	}
	again := moves{changes: map[string]change{}, replacements: map[string]replacement{}}
	for id := range suspects {
		if c, there := old.changes[id]; there {
			again.changes[id] = c
		}
		if r, there := seen.replacements[id]; there {
			again.replacements[id] = r
		}
	}
	defects := again.contradictions(func(id string) (replacement, bool) {
		r, there := later.replacements[id]
		return r, there
	})
	for _, id := range slices.Sorted(maps.Keys(defects)) {
		report.add(defects[id])
	}
	return nil
}

// noteAgain notes what some runs say now.
func (a *Auditor) noteAgain(ctx context.Context, runs map[rail.RunID]bool, into moves) error {
	for _, run := range slices.Sorted(maps.Keys(runs)) {
		for snapshot, err := range a.Ledger.AuditSnapshots(ctx, before(run), 1) {
			if err != nil {
				return err
			}
			if snapshot.ID == run {
				into.note(snapshot)
			}
		}
	}
	return nil
}

// before is an id that all runs before a run are not after, and the run is.
func before(run rail.RunID) rail.RunID {
	if run == "" {
		return ""
	}
	last := len(run) - 1
	return run[:last] + rail.RunID(run[last]-1) + "~"
}
