package rail_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
)

func TestCheckTicket(t *testing.T) {
	run := t12run(t)
	since, until := rail.TravelTime(run.Departure(0), run.Arrival(1))
	travels, used := run.Departure(0), rail.TicketUse{ID: "a use", By: "ines", At: run.Departure(0)}
	for _, c := range []struct {
		name   string
		own    rail.TicketState
		state  rail.OrderState
		status rail.RunStatus
		now    time.Time
		want   rail.TicketCheck
	}{
		{"good", "", rail.Paid, rail.Published, travels, rail.CheckValid},
		{"the first moment", "", rail.Paid, rail.Published, since, rail.CheckValid},
		{"a moment early", "", rail.Paid, rail.Published, since.Add(-1), rail.CheckNotValidYet},
		{"the last moment", "", rail.Paid, rail.Published, until.Add(-1), rail.CheckValid},
		{"a moment late", "", rail.Paid, rail.Published, until, rail.CheckOver},
		{"a suspended run travels", "", rail.Paid, rail.Suspended, travels, rail.CheckValid},
		{"a withdrawn one does not", "", rail.Paid, rail.Withdrawn, travels, rail.CheckCancelled},
		{"withdrawn, and used", rail.TicketUsed, rail.Cancelled, rail.Withdrawn, travels, rail.CheckCancelled},
		{"used", rail.TicketUsed, rail.Paid, rail.Published, travels, rail.CheckUsed},
		{"used, and over", rail.TicketUsed, rail.Paid, rail.Published, until, rail.CheckUsed},
		{"being changed", rail.TicketChanging, rail.Paid, rail.Published, travels, rail.CheckChanging},
		{"being changed, and over", rail.TicketChanging, rail.Paid, rail.Published, until, rail.CheckOver},
		{"given back", rail.TicketRefunded, rail.Paid, rail.Published, travels, rail.CheckRefunded},
		{"all given back", rail.TicketRefunded, rail.Returned, rail.Published, until, rail.CheckRefunded},
		{"changed", rail.TicketChanged, rail.Cancelled, rail.Withdrawn, travels, rail.CheckChanged},
		{"on hold", "", rail.OnHold, rail.Published, travels, rail.CheckNotPaid},
		{"being paid", "", rail.Paying, rail.Published, travels, rail.CheckNotPaid},
		{"never paid", "", rail.Expired, rail.Published, travels, rail.CheckNotPaid},
		{"cancelled", "", rail.Cancelled, rail.Published, travels, rail.CheckCancelled},
	} {
		t.Run(c.name, func(t *testing.T) {
			order := &rail.Order{State: c.state, To: 1, Tickets: make([]rail.Ticket, 2)}
			order.Tickets[1].Own = c.own
			if c.own == rail.TicketUsed {
				order.Tickets[1].Use = used
			}
			require.Equal(t, c.want, order.CheckTicket(1, run.WithStatus(c.status), c.now))
			for _, missing := range []int{-1, 2} {
				require.Equal(t, rail.CheckNotFound, order.CheckTicket(missing, run, c.now))
			}
		})
	}
}
