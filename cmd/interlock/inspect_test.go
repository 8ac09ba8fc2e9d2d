package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/notify/orderbook"
	"interlock/services/rail"
	"interlock/services/ticketcode"
)

const checkTicketMutation = `mutation($i:CheckTicketInput!){checkTicket(input:$i){result ticket{orderNumber
	train{number} from{station{code}} to{station{code}} coach seat seatClass passengerName documentTail usedAt}
	userErrors{code path}}}`

// inspector buys on a train that leaves soon, and checks the tickets in it.
type inspector struct {
	*buyer
	token string
}

func inspects(t *testing.T, r *running) *inspector {
	r.publishT12(t)
	a := r.ask(t, r.admin, publishTrainMutation, map[string]any{"i": change(trainInput(), leavesSoon("T26"))})
	require.Empty(t, a.at(t, "publishTrain.userErrors"), "%s", a.Data)
	b := &buyer{
		payingServer: &payingServer{running: r, run: a.at(t, "publishTrain.runs.0.id").(string)}, t: t,
	}
	return &inspector{buyer: b, token: r.token(t, "ines", rail.RoleInspector)}
}

// codes are those of an order's tickets, as they are signed for passengers.
func (i *inspector) codes(order string) []string { return i.signedBy(i.signer, order) }

func (i *inspector) signedBy(signer *ticketcode.Signer, order string) (codes []string) {
	i.t.Helper()
	number := i.ask(i.t, i.passenger, `query($o:ID!){order(id:$o){number}}`, map[string]any{"o": order}).
		at(i.t, "order.number").(string)
	o, err := i.stores.ledger.OrderByNumber(i.t.Context(), number)
	require.NoError(i.t, err)
	book := &orderbook.Book{Ledger: i.stores.ledger, Timetable: i.timetable, Signer: signer}
	run, err := book.Run(i.t.Context(), o)
	require.NoError(i.t, err)
	for n := range o.Tickets {
		code, err := book.Code(run, o, n)
		require.NoError(i.t, err)
		require.NotEmpty(i.t, code)
		codes = append(codes, code)
	}
	return codes
}

// look checks a code, and marks nothing.
func (i *inspector) look(code string) *answer {
	return i.ask(i.t, i.token, checkTicketMutation, map[string]any{"i": map[string]any{"code": code}})
}

// use marks a ticket with a key.
func (i *inspector) use(code, key string) *answer {
	return i.ask(i.t, i.token, checkTicketMutation, map[string]any{"i": map[string]any{
		"code": code, "use": true, "idempotencyKey": key,
	}})
}

func (i *inspector) is(result string, a *answer) {
	i.t.Helper()
	require.Equal(i.t, result, a.at(i.t, "checkTicket.result"), "%s, %+v", a.Data, a.Errors)
}

// TestCheckTicket_Once has a party inspected: one ticket is used, once. It can be neither given back nor changed, the
// others can. verify finds nothing wrong with it.
func TestCheckTicket_Once(t *testing.T) {
	s := embeddedSettings(t)
	s.Payments = "sandbox"
	i := inspects(t, start(t, s))
	order, tickets := i.buy("HARD_SLEEPER", 3)
	codes := i.codes(order)

	looked := i.look(strings.ToLower(codes[1]))
	i.is("VALID", looked)
	require.Equal(t, "T26 BJP SHH A Passenger <nil>", fmt.Sprint(looked.at(t, "checkTicket.ticket.train.number"), " ",
		looked.at(t, "checkTicket.ticket.from.station.code"), " ", looked.at(t, "checkTicket.ticket.to.station.code"), " ",
		looked.at(t, "checkTicket.ticket.passengerName"), " ", looked.at(t, "checkTicket.ticket.usedAt")))
	i.is("VALID", i.use(codes[1], "use-00001"))
	again := i.use(codes[1], "use-00001")
	i.is("VALID", again)
	for _, a := range []*answer{i.use(codes[1], "use-00002"), i.look(codes[1])} {
		i.is("USED", a)
		require.Equal(t, again.at(t, "checkTicket.ticket.usedAt"), a.at(t, "checkTicket.ticket.usedAt"))
		require.NotNil(t, a.at(t, "checkTicket.ticket.usedAt"))
	}
	bought := i.ask(t, i.passenger, `query($o:ID!){order(id:$o){state tickets{state usedAt}}}`, map[string]any{"o": order})
	require.Equal(t, "USED", bought.at(t, "order.tickets.1.state"))
	require.Equal(t, again.at(t, "checkTicket.ticket.usedAt"), bought.at(t, "order.tickets.1.usedAt"))
	require.Equal(t, codes, i.codes(order), "the next inspector wants to see it, too")

	a := i.ask(t, i.passenger, refundQuoteQuery, map[string]any{"o": order, "t": tickets[:2]})
	require.Equal(t, "WRONG_STATE", a.at(t, "refundQuote.userErrors.0.code"), "%s", a.Data)
	require.Equal(t, "[ticketIds 1]", fmt.Sprint(a.at(t, "refundQuote.userErrors.0.path")))
	a = i.ask(t, i.passenger, changeQuoteQuery, map[string]any{"c": map[string]any{
		"orderId": order, "ticketId": tickets[1], "runId": i.run, "from": "BJP", "to": "SHH", "seatClass": "HARD_SEAT",
	}})
	require.Equal(t, "WRONG_STATE", a.at(t, "changeQuote.userErrors.0.code"), "%s", a.Data)
	require.Equal(t, "[input ticketId]", fmt.Sprint(a.at(t, "changeQuote.userErrors.0.path")))
	_, state := i.refund(order, nil)
	require.Equal(t, "PAID", state, "the used ticket is left")
	i.is("REFUNDED", i.use(codes[0], "use-00003"))
	i.is("USED", i.look(codes[1]))

	code, out := i.interlock(t, "verify")
	require.Zero(t, code, "%s", out)
}

// TestCheckTicket_Refusals has codes that are good for nothing, and people who may not look. Nothing is changed.
func TestCheckTicket_Refusals(t *testing.T) {
	s := embeddedSettings(t)
	s.Payments = "sandbox"
	i := inspects(t, start(t, s))
	order, _ := i.buy("HARD_SLEEPER", 1)
	code := i.codes(order)[0]
	early := &inspector{buyer: &buyer{payingServer: &payingServer{running: i.running, run: i.early()}, t: t}, token: i.token}
	later, _ := early.buy("HARD_SLEEPER", 1)
	before := i.ask(t, i.passenger, orderOfTickets, map[string]any{"o": order})
	version := before.at(t, "order.version")

	last := "B"
	if strings.HasSuffix(code, last) {
		last = "C"
	}
	i.is("FORGED", i.use(code[:len(code)-1]+last, "use-00001"))
	i.is("NOT_VALID_YET", i.use(early.codes(later)[0], "use-00001"))
	ring, err := ticketcode.LoadOrMakeRing(filepath.Join(t.TempDir(), "keys"))
	require.NoError(t, err)
	i.is("UNKNOWN_KEY", i.use(i.signedBy(ring.Signer(), order)[0], "use-00001"))
	a := i.use("not a code!", "use-00001")
	i.is("MALFORMED", a)
	require.Equal(t, "INVALID [input code]", fmt.Sprint(a.at(t, "checkTicket.userErrors.0.code"), " ",
		a.at(t, "checkTicket.userErrors.0.path")))
	a = i.ask(t, i.token, checkTicketMutation, map[string]any{"i": map[string]any{"code": code, "use": true}})
	require.Equal(t, "INVALID [input idempotencyKey]", fmt.Sprint(a.at(t, "checkTicket.userErrors.0.code"), " ",
		a.at(t, "checkTicket.userErrors.0.path")))
	require.Nil(t, a.at(t, "checkTicket.result"))
	for token, want := range map[string]string{"": "UNAUTHENTICATED", i.passenger: "FORBIDDEN", i.admin: "FORBIDDEN"} {
		a := i.ask(t, token, checkTicketMutation, map[string]any{"i": map[string]any{"code": code}})
		require.Equal(t, want, a.Errors[0].Extensions.Code)
	}
	a = i.ask(t, i.token, `query($o:ID!){node(id:$o){id} order(id:$o){id}}`, map[string]any{"o": order})
	require.JSONEq(t, `{"node":null,"order":null}`, string(a.Data))
	require.Equal(t, version, i.ask(t, i.passenger, orderOfTickets, map[string]any{"o": order}).at(t, "order.version"))
	i.is("VALID", i.look(code))

	a = i.ask(t, i.admin, `mutation($r:ID!){withdrawRun(input:{runId:$r,reason:"snow",cancelOrders:true}){
		userErrors{code}}}`, map[string]any{"r": i.run})
	require.Empty(t, a.at(t, "withdrawRun.userErrors"), "%s", a.Data)
	i.is("CANCELLED", i.use(code, "use-00001"))
}

// early is the run of T12, whose tickets are not valid yet.
func (i *inspector) early() string {
	return i.ask(i.t, "", `query($d:Date!){run(train:"T12",date:$d){id}}`, map[string]any{"d": day()}).
		at(i.t, "run.id").(string)
}

// TestCheckTicket_AtOnce has two inspectors on two servers mark the same tickets at the same moment: each ticket is
// VALID to one of them and USED to the other, and both are told when it was.
func TestCheckTicket_AtOnce(t *testing.T) {
	settings := realSettings(t, withDatabase(serverstest.MySQL(t)))
	i := inspects(t, start(t, settings))
	second := *i
	other := start(t, settings)
	second.buyer = &buyer{payingServer: &payingServer{running: other, run: i.run}, t: t}
	second.token = other.token(t, "ivan", rail.RoleInspector)
	for range 3 {
		order, _ := i.buy("HARD_SLEEPER", 3)
		codes := i.codes(order)
		told := make([]*answer, 2*len(codes))
		var all sync.WaitGroup
		for n := range told {
			who := []*inspector{i, &second}[n%2]
			all.Go(func() { told[n] = who.use(codes[n/2], "use-00001") })
		}
		all.Wait()
		for n := range codes {
			first, then := told[2*n], told[2*n+1]
			require.ElementsMatch(t, []any{"VALID", "USED"},
				[]any{first.at(t, "checkTicket.result"), then.at(t, "checkTicket.result")}, "%+v, %+v", first, then)
			require.Equal(t, first.at(t, "checkTicket.ticket.usedAt"), then.at(t, "checkTicket.ticket.usedAt"))
			require.NotNil(t, first.at(t, "checkTicket.ticket.usedAt"))
		}
	}
}
