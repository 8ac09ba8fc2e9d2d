package sale_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/audit"
	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/rail"
	"interlock/services/sale"
)

// timetable is Runs of several runs.
type timetable map[rail.RunID]*rail.Run

func (t timetable) Run(id rail.RunID) (*rail.Run, bool) { run, ok := t[id]; return run, ok }
func (t timetable) Loaded() bool                        { return true }

// Refunds and changes of every kind on every kind of ledger: each seat is that
// of one ticket that is good, or free.
func TestRefundsAndChanges_OnEveryLedger(t *testing.T) {
	for _, flavor := range ledgertest.Flavors() {
		t.Run(flavor.Name, func(t *testing.T) {
			l := ledgertest.Open(t, flavor.New(t))
			w := &twoRuns{bank: newBank()}
			like := newRun(t)
			first, second := leavesIn(like, "T12", 36*time.Hour, 80_000_000, 50_000_000),
				leavesIn(like, "T13", 60*time.Hour, 120_000_000, 75_000_000)
			ledgertest.PutStations(t, l, first.Train)
			_, err := l.Publish(t.Context(), []*rail.Run{first, second}, "test", false)
			require.NoError(t, err)
			service := sale.Open(sale.Options{
				Ledger: l, Lock: &fakeLock{}, Availability: &board{},
				Runs:     timetable{first.ID: first, second.ID: second},
				Payments: w.bank, NewID: rand12, NewNumber: rand12, DocumentKey: []byte("key of this test"),
				Log: slog.New(slog.DiscardHandler),
			})
			defer func() { require.NoError(t, service.Close(t.Context())) }()
			w.world = &world{Service: service, book: &book{run: first}}
			read := func(id string) *rail.Order {
				o, err := l.Order(t.Context(), id)
				require.NoError(t, err)
				return o
			}

			party := w.bought(t, "ann", first.ID, 3)
			given, err := w.give(t, party, "refund-0001", 1)
			require.NoError(t, err)
			_, _, err = service.QuoteRefund(t.Context(), sale.Asker{Name: "ann"}, party.ID, rail.TicketsOf(1))
			require.Equal(t, "WRONG_STATE ticketIds.1", refusalOf(err))
			refunded := ledger.Event{Type: ledger.EventOrderRefunded, OrderID: party.ID}
			require.NoError(t, service.RefundEvent(t.Context(), refunded))
			require.NotZero(t, read(party.ID).Refunds[0].PaidBackAt)
			require.Equal(t, given.Refund.ID, read(party.ID).Refunds[0].ID)
			_, err = w.change(read(party.ID), w.to(party, first.ID, "BBB", rail.Second), "change-0001")
			require.NoError(t, err)
			elsewhere := w.to(party, second.ID, "CCC", rail.Second)
			elsewhere.Ticket.Ticket = 2
			answer, err := w.change(read(party.ID), elsewhere, "change-0002")
			require.NoError(t, err)
			require.Equal(t, rail.TicketChanging, read(party.ID).TicketState(2))
			w.mustPay(t, answer.New)
			require.Eventually(t, func() bool {
				return read(party.ID).State == rail.Returned
			}, 5*time.Second, 10*time.Millisecond)

			for _, cheap := range []bool{true, false} { // Refused by the other run, and fenced there.
				alone := w.bought(t, "bob", first.ID, 1)
				document := alone.Tickets[0].Passenger.DocumentNumber
				place := w.order("there"+document, document)
				place.RunID = second.ID
				_, err = service.Place(t.Context(), "eve", place)
				require.NoError(t, err)
				to := map[bool]rail.StationCode{true: "BBB", false: "EEE"}[cheap]
				refused, err := w.change(alone, w.to(alone, second.ID, to, rail.Second), "change-0003")
				require.Equal(t, "ALREADY_TRAVELLING input.change.ticketId", refusalOf(err))
				require.Equal(t, rail.ChangeEnded, refused.Old.Changes[0].State)
				require.Equal(t, rail.TicketIssued, read(alone.ID).TicketState(0))
			}
			for name, cancels := range map[string]bool{"cancelled": true, "other seat": false} {
				alone := w.bought(t, "joe", first.ID, 1)
				c := w.to(alone, first.ID, "CCC", rail.First)
				if !cancels {
					c = w.to(alone, first.ID, "CCC", rail.Second)
					c.Wish.Letter = "ABCD"[3-strings.Index("ABCD", alone.Tickets[0].Seat[1:]):][:1]
				}
				answer, err = w.change(alone, c, "change-0004")
				require.NoError(t, err, name)
				if cancels {
					_, err = service.Cancel(t.Context(), "joe", answer.New.ID, "")
					require.NoError(t, err)
					event := ledger.Event{Type: ledger.EventOrderCancelled, OrderID: answer.New.ID}
					require.NoError(t, service.ChangeEvent(t.Context(), event))
					require.Equal(t, rail.TicketIssued, read(alone.ID).TicketState(0))
				}
			}
			// The run is withdrawn while two tickets of it are being changed: one change is paid for, and one is not.
			var news, olds []*rail.Order
			for range 2 {
				old := w.bought(t, "zoe", first.ID, 2)
				answer, err = w.change(old, w.to(old, second.ID, "EEE", rail.First), "change-0005")
				require.NoError(t, err)
				olds, news = append(olds, old), append(news, answer.New)
			}
			_, _, err = l.Withdraw(t.Context(), first.ID, "a landslide", "adm", true)
			require.NoError(t, err)
			w.mustPay(t, news[0])
			_, err = service.Cancel(t.Context(), "zoe", news[1].ID, "")
			require.NoError(t, err)
			for i, old := range olds {
				for _, kind := range []ledger.EventType{ledger.EventOrderPaid, ledger.EventOrderCancelled} {
					event := ledger.Event{Type: kind, OrderID: news[i].ID}
					require.NoError(t, service.ChangeEvent(t.Context(), event))
				}
				cancelled := ledger.Event{Type: ledger.EventOrderCancelled, OrderID: old.ID}
				require.NoError(t, service.RefundEvent(t.Context(), cancelled))
				back := int64(0)
				for _, r := range read(old.ID).Refunds {
					require.Equal(t, rail.RefundWithdrawn, r.Kind)
					require.NotZero(t, r.PaidBackAt)
					back += r.Back().Minor
				}
				require.Equal(t, yuan(int64(1+i)*100).Minor, back)
			}

			report, err := (&audit.Auditor{Ledger: l}).Verify(t.Context())
			require.NoError(t, err)
			require.True(t, report.OK, "%v", report.Defects)
			for _, snapshot := range ledgertest.AuditSnapshots(t, l, "", 10) {
				b := &book{run: snapshot.Run, maps: snapshot.Maps, orders: map[string]*rail.Order{}}
				for _, o := range snapshot.Orders {
					b.orders[o.ID] = &o.Order
				}
				require.NotEmpty(t, b.orders)
				require.NoError(t, b.checkSeats())
			}
		})
	}
}
