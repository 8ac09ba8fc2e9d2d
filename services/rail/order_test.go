package rail_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/rail"
)

func order(change func(*rail.PlaceOrder)) *rail.PlaceOrder {
	p := &rail.PlaceOrder{
		IdempotencyKey: "key-0001", RunID: "T12@2019-10-12", From: "VNP", To: "AOH",
		Passengers: []rail.PassengerRequest{
			{Passenger: rail.Passenger{Name: "王小明", DocumentNumber: "110101199001011234"}, SeatClass: rail.Second},
			{
				Passenger: rail.Passenger{Name: "Zoë O'Neill", DocumentNumber: "C01X00T47"}, SeatClass: rail.Business,
				Wish: rail.Wish{Position: rail.Window, Letter: "A", Coach: "1"},
			},
		},
	}
	change(p)
	return p
}

func TestPlaceOrderValidate(t *testing.T) {
	passengers := func(n int) []rail.PassengerRequest {
		var all []rail.PassengerRequest
		for i := range n {
			all = append(all, rail.PassengerRequest{Passenger: rail.Passenger{
				Name:           "N",
				DocumentNumber: "DOC" + string(rune('A'+i)),
			}, SeatClass: rail.Second})
		}
		return all
	}
	for name, c := range map[string]struct {
		change func(*rail.PlaceOrder)
		want   []string
	}{
		"good":   {func(*rail.PlaceOrder) {}, nil},
		"nine":   {func(p *rail.PlaceOrder) { p.Passengers = passengers(9) }, nil},
		"nobody": {func(p *rail.PlaceOrder) { p.Passengers = nil }, []string{"INVALID /input/passengers"}},
		"ten": {func(p *rail.PlaceOrder) {
			p.Passengers = passengers(10)
		}, []string{"INVALID /input/passengers"}},
		"no key": {func(p *rail.PlaceOrder) {
			p.IdempotencyKey = ""
		}, []string{"INVALID /input/idempotencyKey"}},
		"from is to":      {func(p *rail.PlaceOrder) { p.To = "VNP" }, []string{"INVALID /input/to"}},
		"unknown from":    {func(p *rail.PlaceOrder) { p.From = "XXX" }, []string{"INVALID /input/from"}},
		"unknown to":      {func(p *rail.PlaceOrder) { p.To = "XXX" }, []string{"INVALID /input/to"}},
		"wrong direction": {func(p *rail.PlaceOrder) { p.From, p.To = "AOH", "VNP" }, []string{"INVALID /input/to"}},
		"no name": {func(p *rail.PlaceOrder) {
			p.Passengers[1].Name = ""
		}, []string{"INVALID /input/passengers/1/name"}},
		"endless name": {func(p *rail.PlaceOrder) {
			p.Passengers[1].Name = strings.Repeat("王", 65)
		}, []string{"INVALID /input/passengers/1/name"}},
		"64 characters": {func(p *rail.PlaceOrder) { p.Passengers[1].Name = strings.Repeat("王", 64) }, nil},
		"name of control": {func(p *rail.PlaceOrder) {
			p.Passengers[1].Name = "a\u202eb"
		}, []string{"INVALID /input/passengers/1/name"}},
		"short document": {func(p *rail.PlaceOrder) {
			p.Passengers[0].DocumentNumber = "123"
		}, []string{"INVALID /input/passengers/0/documentNumber"}},
		"long document": {func(p *rail.PlaceOrder) {
			p.Passengers[0].DocumentNumber = strings.Repeat("1", 33)
		}, []string{"INVALID /input/passengers/0/documentNumber"}},
		"document of signs": {func(p *rail.PlaceOrder) {
			p.Passengers[0].DocumentNumber = "12-34"
		}, []string{"INVALID /input/passengers/0/documentNumber"}},
		"small letters": {func(p *rail.PlaceOrder) {
			p.Passengers[0].DocumentNumber = "c01x00t48"
		}, []string{"INVALID /input/passengers/0/documentNumber"}},
		"one document twice": {func(p *rail.PlaceOrder) {
			p.Passengers[1].DocumentNumber = p.Passengers[0].DocumentNumber
		}, []string{"INVALID /input/passengers/1/documentNumber"}},
		"class not on board": {func(p *rail.PlaceOrder) {
			p.Passengers[1].SeatClass = rail.First
		}, []string{"INVALID /input/passengers/1/seatClass"}},
		"no class": {func(p *rail.PlaceOrder) {
			p.Passengers[1].SeatClass = ""
		}, []string{"INVALID /input/passengers/1/seatClass"}},
		"unknown position": {func(p *rail.PlaceOrder) {
			p.Passengers[1].Wish.Position = "ROOF"
		}, []string{"INVALID /input/passengers/1/wish/position"}},
		"endless letter": {func(p *rail.PlaceOrder) {
			p.Passengers[1].Wish.Letter = "ABCDEFGHI"
		}, []string{"INVALID /input/passengers/1/wish/letter"}},
		"a wish for nothing": {func(p *rail.PlaceOrder) {
			p.Passengers[1].Wish = rail.Wish{Coach: "99", Letter: "Z"}
		}, nil},
		"all at once": {func(p *rail.PlaceOrder) {
			p.IdempotencyKey, p.From, p.Passengers[0].Name, p.Passengers[1].DocumentNumber = "", "XXX", "", ""
		}, []string{
			"INVALID /input/idempotencyKey", "INVALID /input/from", "INVALID /input/passengers/0/name",
			"INVALID /input/passengers/1/documentNumber",
		}},
	} {
		i, j, err := order(c.change).Validate(t12run(t))
		if c.want == nil {
			require.NoError(t, err, name)
			require.Equal(t, [2]int{0, 3}, [2]int{i, j}, name)
			continue
		}
		var errs rail.Errors
		require.True(t, errors.As(err, &errs), name)
		require.Equal(t, c.want, paths(errs), name)
	}
}

func TestPlaceOrderValidate_ARingIsNoTrip(t *testing.T) {
	run := t12run(t)
	run.Train = calling("VNP TXP VNP")
	_, _, err := order(func(p *rail.PlaceOrder) { p.To = "VNP" }).Validate(run)
	require.Equal(t, rail.Invalid, rail.CodeOf(err))
}

// A train that goes from A to B more than once sells the departure that is named, and no other.
func TestPlaceOrderValidate_Departure(t *testing.T) {
	run := t12run(t)
	train := calling("A B A B< A< B")
	for i := range train.Calls {
		train.Calls[i].ArrivalSeconds, train.Calls[i].DepartureSeconds = hours(int32(8+i), 0), hours(int32(8+i), 0)
	}
	run.Train = train
	at := func(hour int) time.Time { return run.Departure(0).Add(time.Duration(hour-8) * time.Hour) }
	for name, c := range map[string]struct {
		from, to  rail.StationCode
		departure time.Time
		want      []int
		refused   string
	}{
		"the first":           {"A", "B", at(8), []int{0, 1}, ""},
		"the second":          {"A", "B", at(10), []int{2, 3}, ""},
		"in another zone":     {"A", "B", at(10).In(time.UTC), []int{2, 3}, ""},
		"none of them":        {"A", "B", time.Time{}, nil, "T12 goes from A to B more than once, leaving 2019-10-12T08:00:00"},
		"one that is not":     {"A", "B", at(9), nil, "and never at 2019-10-12T09:00:00"},
		"where nobody boards": {"A", "B", at(12), nil, "and never at 2019-10-12T12:00:00"},
		"back":                {"B", "A", at(9), []int{1, 2}, ""},
		"back, not named":     {"B", "A", time.Time{}, []int{1, 2}, ""},
		"back, at another":    {"B", "A", at(8), nil, "T12 leaves B for A at 2019-10-12T09:00:00"},
	} {
		i, j, err := order(func(p *rail.PlaceOrder) {
			p.From, p.To, p.Departure = c.from, c.to, c.departure
			for n := range p.Passengers {
				p.Passengers[n].SeatClass = run.Train.Formation.Classes[0]
			}
		}).Validate(run)
		if c.refused == "" {
			require.NoError(t, err, name)
			require.Equal(t, c.want, []int{i, j}, name)
			continue
		}
		var errs rail.Errors
		require.ErrorAs(t, err, &errs, name)
		require.Equal(t, []string{"INVALID /input/departure"}, paths(errs), name)
		require.Contains(t, errs[0].Message, c.refused, name)
	}
	run.Train = calling(strings.Repeat("A B ", 30))
	for i := range run.Train.Calls {
		run.Train.Calls[i].DepartureSeconds = int32(i)
	}
	_, _, err := order(func(p *rail.PlaceOrder) { p.From, p.To = "A", "B" }).Validate(run)
	require.ErrorContains(t, err, "and 25 more times: say which", "not all of them")
}

func TestPlaceOrder_Normalize(t *testing.T) {
	p := order(func(p *rail.PlaceOrder) {
		p.Passengers[1].Name = "\t Zoë O'Neill\u00a0"
		p.Passengers[1].DocumentNumber = " c01x00t47 "
		p.Passengers[1].Wish = rail.Wish{Position: rail.Window, Letter: " a", Coach: "1 "}
	})
	p.Normalize()
	require.Equal(t, order(func(*rail.PlaceOrder) {}), p)
	p.Normalize()
	require.Equal(t, order(func(*rail.PlaceOrder) {}), p, "twice is once")

	noon := time.Date(2019, 10, 12, 12, 0, 0, 0, time.UTC)
	p.Departure = noon.In(time.FixedZone("", 3_600))
	p.Normalize()
	require.Equal(t, noon, p.Departure, "one instant is one request")
}

func TestValidKey(t *testing.T) {
	for key, want := range map[string]bool{
		"12345678": true, "1234567": false, "": false, strings.Repeat("k", 128): true, strings.Repeat("k", 129): false,
		"with space": false, "trailing ": false, "tab\tinside": false, "newline\n": false, "schlüssel": false,
		"~!@#$%^&*": true, "del\x7f56789": false,
	} {
		require.Equal(t, want, rail.ValidKey(key), "%q", key)
	}
}

func TestDocumentNumberMasked(t *testing.T) {
	for number, want := range map[string]string{
		"110101199001011234": "1101**********1234", "C01X00T47": "C0*****47", "1234": "1**4", "12345678": "12****78",
		"123": "***", "": "",
		strings.Repeat("7", 32): "7777" + strings.Repeat("*", 24) + "7777",
	} {
		require.Equal(t, want, rail.Passenger{DocumentNumber: number}.DocumentNumberMasked())
	}
}

func TestOrderStates(t *testing.T) {
	live := map[rail.OrderState]bool{rail.OnHold: true, rail.Paying: true, rail.Paid: true}
	tickets := map[rail.OrderState]rail.TicketState{
		rail.OnHold: rail.TicketHeld, rail.Paying: rail.TicketHeld, rail.Paid: rail.TicketIssued,
		rail.Cancelled: rail.TicketCancelled, rail.Expired: rail.TicketCancelled, rail.Returned: rail.TicketCancelled,
	}
	require.Len(t, rail.OrderStates, len(tickets))
	for _, state := range rail.OrderStates {
		require.Equal(t, live[state], state.Live(), state)
		for own, want := range map[rail.TicketState]rail.TicketState{
			"": tickets[state], rail.TicketChanging: tickets[state], rail.TicketUsed: tickets[state],
			rail.TicketRefunded: rail.TicketRefunded, rail.TicketChanged: rail.TicketChanged,
		} {
			if own != "" && state == rail.Paid {
				want = own
			}
			order := &rail.Order{State: state, Tickets: make([]rail.Ticket, 2)}
			order.Tickets[1].Own = own
			require.Equal(t, tickets[state], order.TicketState(0), state)
			require.Equal(t, want, order.TicketState(1), "%s, %s", state, own)
		}
	}
}

func TestBatchState_Freed(t *testing.T) {
	a, b, c := &rail.Order{ID: "a"}, &rail.Order{ID: "b"}, &rail.Order{ID: "c"}
	s := ledger.BatchState{
		Expired: []*rail.Order{a},
		Cancels: []ledger.CancelResult{{Order: b}, {}, {Order: c, Changed: true}},
	}
	require.Equal(t, []*rail.Order{a, c}, s.Freed(), "not what was cancelled before")
	require.Equal(t, []*rail.Order{a}, s.Expired)
	require.Empty(t, (&ledger.BatchState{}).Freed())
}

func TestViewer(t *testing.T) {
	var nobody *rail.Viewer
	passenger := &rail.Viewer{Subject: "p", Roles: []rail.Role{rail.RolePassenger}}
	admin := &rail.Viewer{Subject: "a", Roles: []rail.Role{rail.RoleAdmin}}
	own, others := &rail.Order{Buyer: "p"}, &rail.Order{Buyer: "q"}

	require.False(t, nobody.Is(rail.RolePassenger))
	require.False(t, nobody.MaySee(own))
	require.False(t, nobody.MaySee(&rail.Order{}))
	require.True(t, passenger.Is(rail.RolePassenger))
	require.False(t, passenger.Is(rail.RoleAdmin))
	require.True(t, passenger.MaySee(own))
	require.False(t, passenger.MaySee(others))
	require.True(t, admin.MaySee(own))

	require.Nil(t, rail.ViewerFrom(t.Context()))
	require.Same(t, admin, rail.ViewerFrom(rail.WithViewer(t.Context(), admin)))
	require.False(t, rail.ViewerFrom(rail.WithViewer(t.Context(), nil)).Is(rail.RoleAdmin))
}

// Ids of orders sort as the versions do that they were placed at.
func TestOrderIDsFrom(t *testing.T) {
	run := rail.NewRunID("T12", twelfth)
	versions := []int64{0, 1, 9, 10, 31, 32, 1_023, 1_024, 1_000_000, 1<<40 - 1, 1 << 40, 1<<50 - 1}
	for i, version := range versions {
		for j, other := range versions {
			for _, unique := range []string{"0", "vvvvvvvvvvvvvvvvvvvvvvvvvv"} {
				id := rail.NewOrderID(run, other, unique)
				require.Equal(t, j >= i, id >= rail.OrderIDsFrom(run, version), "%s from %d", id, version)
			}
		}
	}
}

func TestOrderID(t *testing.T) {
	run := rail.NewRunID("D305/D308", twelfth)
	id := rail.NewOrderID(run, 1, "0190f6a0000070008000000000")
	got, ok := rail.RunOfOrder(id)
	require.True(t, ok)
	require.Equal(t, run, got)
	for _, wrong := range []string{
		"", "/", "x/y", string(run), string(run) + "/", "T12@2019-10-32/x", id + strings.Repeat("x", 160),
		"T 12@2019-10-12/x",
	} {
		_, ok := rail.RunOfOrder(wrong)
		require.False(t, ok, "%q", wrong)
	}
}
