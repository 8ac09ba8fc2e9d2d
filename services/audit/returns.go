package audit

import (
	"encoding/hex"
	"slices"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// underWay is how long the money of a refund may be out without a word.
const underWay = time.Minute

// steps is how often an order moved on by what became of its tickets. Each refund that was asked for is one step, and
// so are the begin and the end of each change; both of them are one where no money was to be awaited. So are the use of
// each ticket, and the note that the money of a refund is back, where some was to go back. The rest of a price is
// refunded with the end of its change, and all tickets of a withdrawn run with the end of their order.
func steps(o *ledger.WrittenOrder) (n int64) {
	for i := range o.Tickets {
		if o.Tickets[i].Own == rail.TicketUsed {
			n++
		}
	}
	for i := range o.Refunds {
		r := &o.Refunds[i]
		if r.Kind == rail.RefundAsked {
			n++
		}
		if r.PaidBackAt.After(r.At) {
			n++ // A step has noted that the money is back.
		}
	}
	for i := range o.Changes {
		c := &o.Changes[i]
		n++
		if !c.EndedAt.IsZero() && !c.EndedAt.Equal(c.BegunAt) {
			n++
		}
	}
	return n
}

// latest is the latest of some versions; 0 where there is none.
func latest(versions []int64) (last int64) {
	for _, one := range versions {
		last = max(last, one)
	}
	return last
}

// ticketEnded is the version at which a ticket ended by itself, 0 where it did not.
func ticketEnded(o *ledger.WrittenOrder, i int) int64 {
	if i < len(o.TicketEnded) {
		return o.TicketEnded[i]
	}
	return 0
}

// verifyOwn holds the tickets' own states against the versions at which they ended, and the state of their order.
func (v *verifier) verifyOwn(o *ledger.WrittenOrder) {
	for i := range o.Tickets {
		ended := ticketEnded(o, i)
		switch own := o.Tickets[i].Own; own {
		case "", rail.TicketChanging, rail.TicketUsed:
			if ended != 0 {
				v.ticket(CheckTicket, o, i, "its own state is %q, and it ended at the version %d", own, ended)
			}
		case rail.TicketRefunded, rail.TicketChanged:
			if ended <= o.PlacedVersion || o.EndedVersion != 0 && ended > o.EndedVersion && o.State != rail.Cancelled {
				v.ticket(CheckTicket, o, i, "it is %s, and ended at the version %d; its order was placed at %d and ended at %d",
					own, ended, o.PlacedVersion, o.EndedVersion)
			}
		default:
			v.ticket(CheckTicket, o, i, "its own state is %q, which is none", own)
		}
		if o.Tickets[i].Own != "" && o.PaidAt.IsZero() {
			v.ticket(CheckTicket, o, i, "it is %s, and its order was never paid", o.Tickets[i].Own)
		}
		v.verifyUse(o, i)
	}
	seated := o.Seated().Len()
	switch {
	case o.State == rail.Returned && seated > 0:
		v.order(CheckState, o, "it is %s, and %d of its tickets were not given back", o.State, seated)
	case o.State == rail.Returned && o.EndedVersion != latest(o.TicketEnded):
		v.order(CheckState, o, "it ended at the version %d, and the last of its tickets at %d", o.EndedVersion,
			latest(o.TicketEnded))
	case o.State == rail.Paid && seated == 0 && len(o.Tickets) > 0:
		v.order(CheckState, o, "it is %s, and all of its tickets were given back", o.State)
	}
}

// verifyUse holds the use of a ticket against the ticket's own state and the times of its order.
func (v *verifier) verifyUse(o *ledger.WrittenOrder, i int) {
	own, use := o.Tickets[i].Own, &o.Tickets[i].Use
	switch {
	case own != rail.TicketUsed:
		if *use != (rail.TicketUse{}) {
			v.ticket(CheckTicket, o, i, "its own state is %q, and %q used it at %s", own, use.By, at(use.At))
		}
	case use.By == "" || !isDigest(use.ID):
		v.ticket(CheckTicket, o, i, "it was used by %q, and the id of that is %q", use.By, use.ID)
	case use.At.Before(o.PaidAt.Add(-slack)) || use.At.After(v.Now.Add(slack)) ||
		!o.EndedAt.IsZero() && use.At.After(o.EndedAt.Add(slack)):
		v.ticket(CheckTicket, o, i, "it was used at %s; its order was paid at %s and ended at %s, and now it is %s",
			at(use.At), at(o.PaidAt), at(o.EndedAt), at(v.Now))
	}
}

// verifyRefunds holds an order's refunds against its tickets: what they cost, and how each of them ended.
func (v *verifier) verifyRefunds(o *ledger.WrittenOrder) {
	refunded := map[int][]*rail.Refund{}
	for i := range o.Refunds {
		r := &o.Refunds[i]
		v.report.Refunds++
		v.verifyRefund(o, r)
		for t := range r.Tickets.All() {
			refunded[t] = append(refunded[t], r)
		}
	}
	for i := range o.Tickets {
		want := v.refundOf(o, i)
		of := refunded[i]
		switch {
		case len(of) > 1:
			v.ticket(CheckRefund, o, i, "%d refunds are for it", len(of))
		case want == "" && len(of) > 0:
			v.ticket(CheckRefund, o, i, "a refund is for it, and it is %s", o.TicketState(i))
		case want != "" && len(of) == 0:
			v.ticket(CheckRefund, o, i, "it is %s, and no refund is for it", o.TicketState(i))
		case want != "" && of[0].Kind != want:
			v.ticket(CheckRefund, o, i, "it is %s, and its refund is for %s", o.TicketState(i), of[0].Kind)
		}
	}
}

// refundOf is the kind of the one refund that has to be for a ticket; "" where there is to be none. The withdrawal of a
// run gives the price of used tickets back, too: a gate may have marked them before the train was taken out.
func (v *verifier) refundOf(o *ledger.WrittenOrder, i int) rail.RefundKind {
	switch own := o.Tickets[i].Own; {
	case own == rail.TicketRefunded:
		return rail.RefundAsked
	case own == rail.TicketChanged:
		for n := range o.Changes {
			if c := &o.Changes[n]; c.Ticket == i && c.State == rail.ChangeDone && c.Rest.Minor > 0 {
				return rail.RefundChanged
			}
		}
	case (own == "" || own == rail.TicketUsed) && o.State == rail.Cancelled && !o.PaidAt.IsZero() &&
		o.Tickets[i].Price.Minor > 0:
		return rail.RefundWithdrawn
	}
	return ""
}

// verifyRefund holds a refund against itself and the prices of its tickets.
func (v *verifier) verifyRefund(o *ledger.WrittenOrder, r *rail.Refund) {
	wrong := func(format string, arguments ...any) {
		v.order(CheckRefund, o, "refund "+r.ID+": "+format, arguments...)
	}
	if !isDigest(r.ID) {
		wrong("its id is none")
	}
	gross := rail.Money{Currency: o.Total.Currency}
	for t := range r.Tickets.All() {
		if t < len(o.Tickets) {
			gross.Minor += o.Tickets[t].Price.Minor
		}
	}
	if r.Tickets.Len() == 0 || r.Tickets>>len(o.Tickets) != 0 {
		wrong("it is for the tickets %b, and its order has %d", r.Tickets, len(o.Tickets))
	}
	fee := int64(-1) // any
	switch r.Kind {
	case rail.RefundAsked:
	case rail.RefundWithdrawn:
		fee = 0
	case rail.RefundChanged:
		at := slices.IndexFunc(o.Changes, func(c rail.TicketChange) bool {
			return c.State == rail.ChangeDone && r.Tickets == rail.TicketsOf(c.Ticket)
		})
		if at < 0 {
			wrong("it is the rest of a change, and none of its ticket is done")
			break
		}
		gross, fee = o.Changes[at].Rest, o.Changes[at].Fee.Minor
		if o.State == rail.Cancelled && r.Fee.Minor == 0 {
			fee = 0 // The run was withdrawn meanwhile.
		}
	default:
		wrong("%q is no kind of refund", r.Kind)
	}
	switch {
	case r.Gross != gross:
		wrong("it is of %s, and what it is for had cost %s", r.Gross, gross)
	case r.Fee.Currency != r.Gross.Currency || r.Fee.Minor < 0 || r.Fee.Minor > r.Gross.Minor:
		wrong("%s of %s is kept", r.Fee, r.Gross)
	case fee >= 0 && r.Fee.Minor != fee:
		wrong("%s is kept, and %d minor units should be", r.Fee, fee)
	}
	v.verifyRefundTimes(o, r, wrong)
}

// verifyRefundTimes holds when a refund was decided and when its money was back against each other.
func (v *verifier) verifyRefundTimes(o *ledger.WrittenOrder, r *rail.Refund, wrong func(string, ...any)) {
	now := v.Now.Add(slack)
	switch {
	case o.PaidAt.IsZero() || r.At.Before(o.PaidAt.Add(-slack)):
		wrong("it was decided at %s, and its order was paid at %s", at(r.At), at(o.PaidAt))
	case r.At.After(now) || r.PaidBackAt.After(now):
		wrong("it was decided at %s and its money back at %s, and now it is %s", at(r.At), at(r.PaidBackAt), at(v.Now))
	case !r.PaidBackAt.IsZero() && r.PaidBackAt.Before(r.At.Add(-slack)):
		wrong("its money was back at %s, before it was decided at %s", at(r.PaidBackAt), at(r.At))
	case r.PaidBackAt.IsZero() && r.Back().Minor == 0:
		wrong("nothing is to go back, and it waits for that")
	case r.PaidBackAt.IsZero() && v.Now.Sub(r.At) > underWay:
		v.report.RefundsUnderWay++
	}
}

// isDigest tells whether a text is what ids of refunds and of changes are: 64 hexadecimal digits.
func isDigest(id string) bool {
	digest, err := hex.DecodeString(id)
	return err == nil && len(digest) == 32
}
