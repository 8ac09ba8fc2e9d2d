package notifyrpc_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/services/ledger"
	"interlock/services/notify"
	"interlock/services/notify/notifyrpc"
	"interlock/services/rail"
	"interlock/services/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var beijing = time.FixedZone("CST", 8*3600)

// order has something in every field.
func order() *notify.Order {
	at := time.Date(2030, 5, 1, 8, 0, 0, 0, beijing)
	return &notify.Order{
		ID: "T1@2030-05-01/1", Number: "N1", RunID: "T1@2030-05-01", PageID: "page", Version: 3, State: rail.Paid,
		PlacedAt: at.UTC(), PaidAt: at.UTC().Add(time.Second), Reason: "why",
		Contact: rail.Contact{Email: "a@example.com", Language: "zh"}, Train: "T1",
		From:      notify.Stop{Name: "北京", Names: map[string]string{"zh-Latn": "Beijing"}, At: at},
		To:        notify.Stop{Name: "上海", Names: map[string]string{"zh-Latn": "Shanghai"}, At: at.Add(time.Hour)},
		RunStatus: rail.Suspended, RunReason: "snow", Total: rail.Money{Minor: 17_750, Currency: "CNY"}, Replaces: true,
		Tickets: []notify.Ticket{{
			Passenger: "王秀英", Document: "A***1", SeatClass: "SECOND", Coach: "3", Seat: "23B",
			Price: rail.Money{Minor: 17_750, Currency: "CNY"}, State: rail.TicketIssued, Code: "ABC",
		}},
		Refunds: []notify.Refund{{
			Kind: rail.RefundAsked, At: at.UTC(), Back: rail.Money{Minor: 1, Currency: "CNY"},
			Fee: rail.Money{Minor: 2, Currency: "CNY"}, PaidBackAt: at.UTC(),
		}},
	}
}

func delivery() *notify.Delivery {
	at := time.Date(2030, 5, 1, 0, 0, 0, 0, time.UTC)
	return &notify.Delivery{
		ID: "d1", Channel: notify.Webhook, Kind: notify.Kind(ledger.EventOrderPaid), Endpoint: "e1",
		OrderID: "T1@2030-05-01/1", RunID: "T1@2030-05-01", Subject: 3, At: at, State: notify.GivenUp, Version: 9, Tries: 8,
		Due: at, Answer: 500, Reason: "no", CreatedAt: at, ChangedAt: at,
	}
}

func endpoint() *notify.Endpoint {
	at := time.Date(2030, 5, 1, 0, 0, 0, 0, time.UTC)
	return &notify.Endpoint{
		ID: "e1", URL: "https://partner.example", Description: "描述", Secrets: []string{"whsec_1", "whsec_2"},
		Events: []ledger.EventType{ledger.EventOrderPaid}, Enabled: true, FailingSince: at, DisabledWhy: "so", Version: 2,
		CreatedAt: at, ChangedAt: at,
	}
}

// isFull tells that no field of a struct, or of those in it, is zero: a field that is added must be sent, too.
func isFull(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch {
	case v.Kind() == reflect.Pointer:
		isFull(t, v.Elem(), path)
	case v.Type() == reflect.TypeFor[time.Time]():
		require.False(t, v.IsZero(), path)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			isFull(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case v.Kind() == reflect.Slice:
		require.NotZero(t, v.Len(), path)
		for i := range v.Len() {
			isFull(t, v.Index(i), path)
		}
	default:
		require.False(t, v.IsZero(), path)
	}
}

// both answers both services, and notes what it is asked.
type both struct {
	err   error
	asked []any
}

func (b *both) note(asked ...any) { b.asked = asked }

func (b *both) Order(_ context.Context, id string) (*notify.Order, error) {
	b.note(id)
	if id == "none" {
		return nil, b.err
	}
	return order(), b.err
}

func (b *both) PaidOn(
	_ context.Context, run rail.RunID, after ledger.OrderPlace, limit int,
) ([]*notify.Order, error) {
	b.note(run, after, limit)
	return []*notify.Order{order(), order()}, b.err
}

func (b *both) Resend(_ context.Context, orderID, key string) (*notify.Delivery, error) {
	b.note(orderID, key)
	return delivery(), b.err
}

func (b *both) Replay(_ context.Context, id string) (*notify.Delivery, error) {
	b.note(id)
	return delivery(), b.err
}

func (b *both) Deliveries(_ context.Context, f notify.Filter) ([]*notify.Delivery, error) {
	b.note(f)
	return []*notify.Delivery{delivery()}, b.err
}

func (b *both) Endpoints(context.Context) ([]*notify.Endpoint, error) {
	b.note()
	return []*notify.Endpoint{endpoint()}, b.err
}

func (b *both) PutEndpoint(_ context.Context, e *notify.Endpoint) (*notify.Endpoint, error) {
	b.note(e)
	return e, b.err
}

func (b *both) DropEndpoint(_ context.Context, id string) (bool, error) {
	b.note(id)
	return true, b.err
}

var secret = rpc.Secrets{strings.Repeat("s", 40)}

// serve has both services answer calls that know the secret, and makes their clients, which show what they are given.
func serve(t *testing.T, b *both, shown rpc.Access) (*notifyrpc.OrdersClient, *notifyrpc.ServiceClient) {
	t.Helper()
	access, log := rpc.Access{Secrets: secret}, slog.New(slog.DiscardHandler)
	mux := http.NewServeMux()
	mux.Handle(notifyrpc.OrdersPath, notifyrpc.NewOrdersHandler(b, access, log))
	mux.Handle(notifyrpc.ServicePath, notifyrpc.NewServiceHandler(b, access, log))
	server, err := rpc.NewServer(mux, rpc.Certificates{}, log)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		require.NoError(t, server.Shutdown(context.Background()))
		require.NoError(t, <-done)
	})
	o := notifyrpc.ClientOptions{URL: "http://" + listener.Addr().String(), Access: shown, Log: log}
	orders, err := notifyrpc.NewOrdersClient(o)
	require.NoError(t, err)
	service, err := notifyrpc.NewServiceClient(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(orders.Close(), service.Close())) })
	return orders, service
}

// same holds what came over against what was sent: times are told in their zones.
func same[T any](t *testing.T, want, got T) {
	t.Helper()
	require.Empty(t, diff(reflect.ValueOf(want), reflect.ValueOf(got), ""))
}

func diff(a, b reflect.Value, path string) string {
	switch {
	case a.Kind() == reflect.Pointer:
		if a.IsNil() != b.IsNil() {
			return path
		}
		return diff(a.Elem(), b.Elem(), path)
	case a.Type() == reflect.TypeFor[time.Time]():
		x, y := a.Interface().(time.Time), b.Interface().(time.Time)
		if !x.Equal(y) || x.Format(time.RFC3339+" MST") != y.Format(time.RFC3339+" MST") {
			return path
		}
	case a.Kind() == reflect.Struct:
		for i := range a.NumField() {
			if d := diff(a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name); d != "" {
				return d
			}
		}
	case a.Kind() == reflect.Slice:
		if a.Len() != b.Len() {
			return path
		}
		for i := range a.Len() {
			if d := diff(a.Index(i), b.Index(i), path); d != "" {
				return d
			}
		}
	case !reflect.DeepEqual(a.Interface(), b.Interface()):
		return path
	}
	return ""
}

// TestAllFields sends everything over and back.
func TestAllFields(t *testing.T) {
	isFull(t, reflect.ValueOf(order()), "order")
	isFull(t, reflect.ValueOf(delivery()), "delivery")
	isFull(t, reflect.ValueOf(endpoint()), "endpoint")
	b := &both{}
	orders, service := serve(t, b, rpc.Access{Secrets: secret})
	require.NoError(t, orders.Ready(t.Context()))
	require.NoError(t, service.Ready(t.Context()))

	o, err := orders.Order(t.Context(), "T1@2030-05-01/1")
	require.NoError(t, err)
	same(t, order(), o)
	require.Equal(t, []any{"T1@2030-05-01/1"}, b.asked)
	o, err = orders.Order(t.Context(), "none")
	require.NoError(t, err)
	require.Nil(t, o)
	after := ledger.OrderPlace{PlacedAt: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), ID: "x"}
	all, err := orders.PaidOn(t.Context(), "T1@2030-05-01", after, 50)
	require.NoError(t, err)
	require.Len(t, all, 2)
	same(t, order(), all[1])
	require.Equal(t, []any{rail.RunID("T1@2030-05-01"), after, 50}, b.asked)
	_, err = orders.PaidOn(t.Context(), "T1@2030-05-01", ledger.OrderPlace{}, 50)
	require.NoError(t, err)
	require.Equal(t, ledger.OrderPlace{}, b.asked[1])

	d, err := service.Resend(t.Context(), "o1", "key-0001")
	require.NoError(t, err)
	same(t, delivery(), d)
	require.Equal(t, []any{"o1", "key-0001"}, b.asked)
	d, err = service.Replay(t.Context(), "d1")
	require.NoError(t, err)
	same(t, delivery(), d)
	f := notify.Filter{
		OrderID: "o1", Endpoint: "e1", States: []notify.State{notify.Sent, notify.GivenUp},
		After: notify.Place{CreatedAt: after.PlacedAt, ID: "x"}, Limit: 7,
	}
	found, err := service.Deliveries(t.Context(), f)
	require.NoError(t, err)
	same(t, []*notify.Delivery{delivery()}, found)
	require.Equal(t, []any{f}, b.asked)
	endpoints, err := service.Endpoints(t.Context())
	require.NoError(t, err)
	same(t, []*notify.Endpoint{endpoint()}, endpoints)
	e, err := service.PutEndpoint(t.Context(), endpoint())
	require.NoError(t, err)
	same(t, endpoint(), e)
	was, err := service.DropEndpoint(t.Context(), "e1")
	require.NoError(t, err)
	require.True(t, was)
}

// TestErrors has each error come out as it went in, and inner texts stay inside.
func TestErrors(t *testing.T) {
	b := &both{}
	orders, service := serve(t, b, rpc.Access{Secrets: secret})
	for _, err := range []error{
		rail.Refuse(rail.NotFound, "there is none"), rail.Refuse(rail.WrongState, "not now"),
		rail.Refuse(rail.Unavailable, "no primary"),
	} {
		b.err = err
		_, got := service.Resend(t.Context(), "o1", "key-0001")
		require.Equal(t, rail.CodeOf(err), rail.CodeOf(got))
		require.EqualError(t, got, err.Error())
		_, got = orders.Order(t.Context(), "o1")
		require.Equal(t, rail.CodeOf(err), rail.CodeOf(got))
	}
	b.err = ledger.ErrInDoubt
	_, err := service.Replay(t.Context(), "d1")
	require.ErrorIs(t, err, ledger.ErrInDoubt)
	b.err = errors.New("王秀英 a@example.com")
	_, err = orders.Order(t.Context(), "o1")
	require.Equal(t, rail.Internal, rail.CodeOf(err))
	require.NotContains(t, err.Error(), "a@example.com")
}

// TestStrangers are let in to neither.
func TestStrangers(t *testing.T) {
	b := &both{}
	for _, shown := range []rpc.Access{{}, {Secrets: rpc.Secrets{strings.Repeat("x", 40)}}} {
		orders, service := serve(t, b, shown)
		_, err := orders.Order(t.Context(), "o1")
		require.Equal(t, rail.Unauthenticated, rail.CodeOf(err))
		_, err = service.Endpoints(t.Context())
		require.Equal(t, rail.Unauthenticated, rail.CodeOf(err))
		require.Nil(t, b.asked)
	}
}
