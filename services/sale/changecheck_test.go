package sale_test

import (
	"fmt"
	"maps"
	"slices"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// withdrawRun ends all orders of the run as a withdrawal does: what was paid goes back, but for tickets that are being
// changed.
func (b *book) withdrawRun() {
	b.mu.Lock()
	defer b.mu.Unlock()
	run := *b.run
	run.Status = rail.Withdrawn
	b.run, b.maps = &run, map[rail.SeatClass][]byte{}
	b.version++
	for _, id := range slices.Sorted(maps.Keys(b.orders)) {
		o := *b.orders[id]
		if !o.State.Live() {
			continue
		}
		refund := rail.Refund{
			ID: "withdrawn" + o.ID, Kind: rail.RefundWithdrawn, Gross: rail.Money{Currency: o.Total.Currency},
			Fee: rail.Money{Currency: o.Total.Currency}, At: b.now(),
		}
		for i := range o.Tickets {
			if own := o.Tickets[i].Own; own == "" || own == rail.TicketUsed {
				refund.Tickets |= rail.TicketsOf(i)
				refund.Gross.Minor += o.Tickets[i].Price.Minor
			}
		}
		if o.State == rail.Paid && refund.Tickets != 0 {
			o.Refunds = append(slices.Clone(o.Refunds), refund)
		}
		o.State, o.EndedAt, o.Version = rail.Cancelled, b.now(), o.Version+1
		b.orders[id] = &o
	}
}

// check compares both books and the bank with the simplest account of them: each seat is that of the tickets that are
// live on it, and each fen that was paid is a ticket, a fee, or went back.
func (w *twoRuns) check() error {
	orders := map[string]*rail.Order{}
	for _, b := range []*book{w.line.book, w.line.other} {
		b.mu.Lock()
		maps.Copy(orders, b.orders)
		err := b.checkSeats()
		b.mu.Unlock()
		if err != nil {
			return err
		}
	}
	w.bank.mu.Lock()
	defer w.bank.mu.Unlock()
	for id, o := range orders {
		if err := w.checkOrder(orders, o); err != nil {
			return fmt.Errorf("order %s: %w", id, err)
		}
	}
	for payment := range w.bank.taken {
		if w.bank.left(payment) < 0 {
			return fmt.Errorf("payment %s gave back more than it took", payment)
		}
	}
	return nil
}

// checkSeats holds the maps of a book against its tickets. b.mu must be held.
func (b *book) checkSeats() error {
	type place struct {
		class     rail.SeatClass
		seat, leg int
	}
	taken := map[place]string{}
	for id, o := range b.orders {
		if !o.State.Live() {
			continue
		}
		for i := range o.Tickets {
			if own := o.Tickets[i].Own; own == rail.TicketRefunded || own == rail.TicketChanged {
				continue
			}
			for leg := o.From; leg < o.To; leg++ {
				at := place{o.Tickets[i].SeatClass, o.Tickets[i].SeatIndex, leg}
				if other, ok := taken[at]; ok {
					return fmt.Errorf("%v was sold to %s and to %s", at, other, id)
				}
				taken[at] = id
			}
		}
	}
	for _, class := range b.run.Train.Formation.Classes {
		seats := len(b.run.Train.Formation.Seats(class))
		m := seatmap.New(b.run.Train.Legs(), seats)
		if sold := b.maps[class]; sold != nil {
			m, _ = seatmap.Decode(b.run.Train.Legs(), seats, sold)
		}
		for seat := range seats {
			for leg := range b.run.Train.Legs() {
				if owner, ok := taken[place{class, seat, leg}]; ok == m.IsFree(seat, leg, leg+1) {
					return fmt.Errorf("%s seat %d on leg %d: owner %q, free %v", class, seat, leg, owner, !ok)
				}
			}
		}
	}
	return nil
}

// checkOrder accounts for what was paid for an order.
func (w *twoRuns) checkOrder(orders map[string]*rail.Order, o *rail.Order) error {
	if o.PaidAt.IsZero() {
		if len(o.Refunds) > 0 {
			return fmt.Errorf("it was never paid, and has refunds")
		}
		return nil
	}
	spent := int64(0) // what refunds and changes have used of the tickets' prices
	for _, r := range o.Refunds {
		if r.Fee.Minor < 0 || r.Fee.Minor > r.Gross.Minor {
			return fmt.Errorf("a fee of %s of %s", r.Fee, r.Gross)
		}
		spent += r.Gross.Minor
	}
	open := map[int]bool{}
	for _, c := range o.Changes {
		n := orders[w.line.of(c.To).orderOf(ledger.OrderKey{Buyer: o.Buyer, Key: c.ID})]
		if n != nil && n.Replaces == nil {
			n = nil // An ordinary order has taken the key.
		}
		switch c.State {
		case rail.ChangeOpen:
			open[c.Ticket] = true
		case rail.ChangeDone:
			if n == nil || n.PaidAt.IsZero() || o.Tickets[c.Ticket].Own != rail.TicketChanged {
				return fmt.Errorf("change %.8s is done: new order %v, old ticket %s", c.ID, n, o.Tickets[c.Ticket].Own)
			}
			spent += c.Carried.Minor
		case rail.ChangeEnded:
			if n != nil && !n.PaidAt.IsZero() {
				return fmt.Errorf("change %.8s has ended, and its new order was paid", c.ID)
			}
		}
		if n != nil && len(n.Tickets) > 0 && n.Carried != c.Carried {
			return fmt.Errorf("the new order carries %s over, and the change %s", n.Carried, c.Carried)
		}
	}
	ended := int64(0)
	for i := range o.Tickets {
		own := o.Tickets[i].Own
		if (own == rail.TicketChanging) != open[i] {
			return fmt.Errorf("ticket %d is %q, and a change of it is open: %v", i, own, open[i])
		}
		if (own == rail.TicketUsed) != (o.Tickets[i].Use != rail.TicketUse{}) {
			return fmt.Errorf("ticket %d is %q, and its use is %+v", i, own, o.Tickets[i].Use)
		}
		if o.State == rail.Cancelled && (own == "" || own == rail.TicketUsed) || own == rail.TicketRefunded || own == rail.TicketChanged {
			ended += o.Tickets[i].Price.Minor
		}
	}
	if spent != ended {
		return fmt.Errorf("tickets of %d have ended, and %d were given back or carried over", ended, spent)
	}
	return nil
}

// orderOf is the id of the order that a key has, "" where it has none.
func (b *book) orderOf(key ledger.OrderKey) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if replay, ok := b.keys[key]; ok {
		return replay.Order.ID
	}
	return ""
}

// checkRest is check once all is well again: nothing waits, and what the bank has left is the price of the tickets that
// are good for travel, and the fees.
func (w *twoRuns) checkRest() error {
	if err := w.check(); err != nil {
		return err
	}
	want := int64(0)
	for _, b := range []*book{w.line.book, w.line.other} {
		b.mu.Lock()
		defer b.mu.Unlock()
		for id, o := range b.orders {
			if o.State == rail.OnHold || o.State == rail.Paying {
				return fmt.Errorf("order %s is still %s", id, o.State)
			}
			for i := range o.Tickets {
				if state := o.TicketState(i); state == rail.TicketIssued || state == rail.TicketUsed {
					want += o.Tickets[i].Price.Minor
				}
			}
			for _, r := range o.Refunds {
				if want += r.Fee.Minor; r.PaidBackAt.IsZero() {
					return fmt.Errorf("order %s: refund %.8s is not back", id, r.ID)
				}
			}
			for _, c := range o.Changes {
				if c.State == rail.ChangeOpen {
					return fmt.Errorf("order %s: change %.8s is still open", id, c.ID)
				}
			}
		}
	}
	w.bank.mu.Lock()
	defer w.bank.mu.Unlock()
	has := int64(0)
	for payment := range w.bank.taken {
		has += w.bank.left(payment)
	}
	if has != want {
		return fmt.Errorf("the bank has %d, and tickets and fees are %d", has, want)
	}
	return nil
}
