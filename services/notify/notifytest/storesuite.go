// Package notifytest says what the stores of services/notify must do.
package notifytest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/notify"
	"interlock/services/rail"
)

// Kept is a store with nothing in it.
type Kept struct {
	notify.Store
	// Age has its clock go ahead.
	Age func(t *testing.T, by time.Duration)
}

// RunStore runs the suite. open makes an empty store.
func RunStore(t *testing.T, open func(t *testing.T) Kept) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Kept)
	}{
		{"New_Once", newOnce},
		{"New_AllFields", newAllFields},
		{"Change_CompareAndSet", changeCompareAndSet},
		{"Change_AtOnce", changeAtOnce},
		{"Change_EndsAndComesBack", changeEnds},
		{"Due", due},
		{"List", list},
		{"Endpoints", endpoints},
		{"Endpoints_AreBounded", endpointsAreBounded},
		{"Skip", skip},
		{"GiveUp", giveUp},
		{"Forget", forget},
		{"Refuses", refuses},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// Mail is a mail that is to be noted.
func Mail(n int) notify.Delivery {
	return notify.Delivery{
		ID: fmt.Sprintf("%064x", n), Channel: notify.Mail, Kind: notify.Paid,
		OrderID: fmt.Sprintf("T1@2019-10-12/%d", n), RunID: "T1@2019-10-12", Subject: 7,
		At:    time.UnixMilli(1_570_000_000_000).UTC(),
		State: notify.Pending,
	}
}

func webhook(n int, endpoint string) notify.Delivery {
	d := Mail(n)
	d.Channel, d.Kind, d.Endpoint = notify.Webhook, notify.Kind(ledger.EventOrderPaid), endpoint
	return d
}

func note(t *testing.T, s Kept, all ...notify.Delivery) {
	t.Helper()
	_, err := s.Write(t.Context(), notify.Batch{New: all})
	require.NoError(t, err)
}

func read(t *testing.T, s Kept, n int) *notify.Delivery {
	t.Helper()
	found, err := s.Deliveries(t.Context(), []string{fmt.Sprintf("%064x", n)})
	require.NoError(t, err)
	return found[0]
}

// change changes a delivery, and answers what the store says of it.
func change(t *testing.T, s Kept, d notify.Delivery, dueIn time.Duration) error {
	t.Helper()
	d.Version++
	written, err := s.Write(t.Context(), notify.Batch{Changes: []notify.Change{{Delivery: d, DueIn: dueIn}}})
	require.NoError(t, err)
	require.Len(t, written.Errs, 1)
	return written.Errs[0]
}

func newOnce(t *testing.T, s Kept) {
	note(t, s, Mail(1))
	first := read(t, s, 1)
	require.NoError(t, change(t, s, *first, time.Hour))
	again := Mail(1)
	again.Subject = 99
	note(t, s, again, Mail(2), Mail(2))
	now := read(t, s, 1)
	require.EqualValues(t, 2, now.Version, "it stays as it is")
	require.EqualValues(t, 7, now.Subject)
	require.EqualValues(t, 1, read(t, s, 2).Version)
	require.Nil(t, read(t, s, 3))
}

func newAllFields(t *testing.T, s Kept) {
	d := webhook(1, "e1")
	d.Kind, d.OrderID = notify.Kind(strings.Repeat("k", 64)), "T1@2019-10-12/"+strings.Repeat("x", 180)
	d.RunID = rail.RunID(strings.Repeat("r", 160))
	note(t, s, d)
	is := read(t, s, 1)
	want := d
	want.Version, want.CreatedAt, want.ChangedAt, want.Due = 1, is.CreatedAt, is.CreatedAt, is.CreatedAt
	require.Equal(t, want, *is)
	require.WithinDuration(t, time.Now(), is.CreatedAt, time.Minute)

	is.State, is.Tries, is.Answer, is.Reason = notify.Refused, 8, 550, strings.Repeat("ü", 200)
	require.NoError(t, change(t, s, *is, time.Hour))
	want = *is
	is = read(t, s, 1)
	want.Version, want.ChangedAt, want.Due = 2, is.ChangedAt, time.Time{}
	require.Equal(t, want, *is)
}

func changeCompareAndSet(t *testing.T, s Kept) {
	note(t, s, Mail(1))
	d := read(t, s, 1)
	require.NoError(t, change(t, s, *d, time.Minute))
	require.ErrorIs(t, change(t, s, *d, time.Minute), notify.ErrStale)
	require.ErrorIs(t, change(t, s, Mail(2), time.Minute), notify.ErrStale, "there is none")
	// One that is stale keeps none of its commit from being written.
	d = read(t, s, 1)
	first, second := *d, *d
	first.Version, first.Tries = d.Version+1, 1
	second.Version, second.Tries = d.Version+1, 2
	written, err := s.Write(t.Context(), notify.Batch{
		New: []notify.Delivery{Mail(3)}, Changes: []notify.Change{{Delivery: first}, {Delivery: second}},
	})
	require.NoError(t, err)
	require.NoError(t, written.Errs[0])
	require.ErrorIs(t, written.Errs[1], notify.ErrStale)
	require.Equal(t, 1, read(t, s, 1).Tries)
	require.NotNil(t, read(t, s, 3))
}

// changeAtOnce has many change the same at once: each version is made by one of them.
func changeAtOnce(t *testing.T, s Kept) {
	const sides, rounds = 4, 5
	note(t, s, Mail(1))
	var all sync.WaitGroup
	won := make([]int, sides)
	errs := make([]error, sides)
	for i := range sides {
		all.Go(func() {
			for won[i] < rounds && errs[i] == nil {
				found, err := s.Deliveries(t.Context(), []string{Mail(1).ID})
				if errs[i] = err; err != nil {
					return
				}
				d := *found[0]
				d.Version++
				written, err := s.Write(t.Context(), notify.Batch{Changes: []notify.Change{{Delivery: d}}})
				if rail.CodeOf(err) == rail.Unavailable {
					continue // The row was locked for too long.
				}
				if errs[i] = err; err == nil && written.Errs[0] == nil {
					won[i]++
				}
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.EqualValues(t, 1+sides*rounds, read(t, s, 1).Version)
}

func changeEnds(t *testing.T, s Kept) {
	note(t, s, Mail(1))
	d := read(t, s, 1)
	d.State = notify.Sent
	require.NoError(t, change(t, s, *d, time.Hour))
	d = read(t, s, 1)
	require.True(t, d.Due.IsZero())
	d.State = notify.Pending
	require.NoError(t, change(t, s, *d, 0))
	due, err := s.Due(t.Context(), []notify.Queue{{Limit: 10}})
	require.NoError(t, err)
	require.Len(t, due, 1)
}

func ids(all []*notify.Delivery) (names []string) {
	for _, d := range all {
		names = append(names, strings.TrimLeft(d.ID, "0"))
	}
	return names
}

func due(t *testing.T, s Kept) {
	note(t, s, Mail(1), Mail(2), webhook(3, "a"), webhook(4, "b"), webhook(5, "a"))
	due := func(queues ...notify.Queue) []string {
		t.Helper()
		all, err := s.Due(t.Context(), queues)
		require.NoError(t, err)
		return ids(all)
	}
	mails := notify.Queue{Limit: 10}
	require.Empty(t, due())
	require.Equal(t, []string{"1", "2"}, due(mails))
	require.Equal(t, []string{"1"}, due(notify.Queue{Limit: 1}))
	require.Equal(t, []string{"3", "5"}, due(notify.Queue{Endpoint: "a", Limit: 10}))
	require.Equal(t, []string{"1", "2", "3", "4"},
		due(notify.Queue{Endpoint: "b", Limit: 10}, mails, notify.Queue{Endpoint: "a", Limit: 1}))
	require.Empty(t, due(notify.Queue{Endpoint: "c", Limit: 10}))
	require.NoError(t, change(t, s, *read(t, s, 1), time.Hour))
	require.NoError(t, change(t, s, *read(t, s, 2), 30*time.Minute))
	require.Empty(t, due(mails))
	s.Age(t, 31*time.Minute)
	require.Equal(t, []string{"2"}, due(mails))
	s.Age(t, 30*time.Minute)
	require.Equal(t, []string{"2", "1"}, due(mails), "the longest first")
	many := make([]notify.Queue, notify.MaxEndpoints+1)
	for n := range many {
		many[n] = notify.Queue{Endpoint: fmt.Sprint("e", n), Limit: notify.MaxItems}
	}
	many[50].Endpoint = "b"
	require.Equal(t, []string{"4"}, due(many...))
}

func skip(t *testing.T, s Kept) {
	note(t, s, Mail(1), webhook(2, "a"), webhook(3, "a"), webhook(4, "a"), webhook(5, "b"))
	sent := read(t, s, 4)
	sent.State = notify.Sent
	require.NoError(t, change(t, s, *sent, 0))
	claimed := read(t, s, 3)
	require.NoError(t, change(t, s, *claimed, time.Hour))
	skip := func(limit, want int) {
		t.Helper()
		n, err := s.Skip(t.Context(), "a", "the endpoint is gone", limit)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	skip(1, 1)
	skip(10, 1)
	skip(10, 0)
	for n, state := range map[int]notify.State{
		1: notify.Pending, 2: notify.Skipped, 3: notify.Skipped, 4: notify.Sent, 5: notify.Pending,
	} {
		d := read(t, s, n)
		require.Equal(t, state, d.State, n)
		require.Equal(t, state != notify.Pending, d.Due.IsZero(), n)
	}
	require.Equal(t, "the endpoint is gone", read(t, s, 2).Reason)
	require.ErrorIs(t, change(t, s, *claimed, 0), notify.ErrStale, "who has claimed it notes nothing any more")
}

func giveUp(t *testing.T, s Kept) {
	note(t, s, Mail(1), Mail(2), webhook(3, "a"), Mail(4))
	require.NoError(t, change(t, s, *read(t, s, 2), 48*time.Hour))
	sent := read(t, s, 4)
	sent.State = notify.Sent
	require.NoError(t, change(t, s, *sent, 0))
	s.Age(t, 24*time.Hour)
	note(t, s, Mail(5))
	now, err := s.Now(t.Context())
	require.NoError(t, err)
	ended := 0
	for range 3 {
		n, err := s.GiveUp(t.Context(), now.Add(-time.Hour), "it waited for too long", 1)
		require.NoError(t, err)
		ended += n
	}
	require.Equal(t, 2, ended)
	for n, state := range map[int]notify.State{
		1: notify.GivenUp, 2: notify.Pending, 3: notify.GivenUp, 4: notify.Sent, 5: notify.Pending,
	} {
		require.Equal(t, state, read(t, s, n).State, n)
	}
}

func list(t *testing.T, s Kept) {
	for n := range 6 {
		d := webhook(n+1, "a")
		if n%2 == 0 {
			d = Mail(n + 1)
		}
		d.OrderID = "T1@2019-10-12/one"
		note(t, s, d)
		s.Age(t, time.Second)
	}
	note(t, s, webhook(7, "b"))
	sent := read(t, s, 2)
	sent.State = notify.Sent
	require.NoError(t, change(t, s, *sent, 0))
	list := func(f notify.Filter) []string {
		t.Helper()
		if f.Limit == 0 {
			f.Limit = 10
		}
		all, err := s.List(t.Context(), f)
		require.NoError(t, err)
		return ids(all)
	}
	require.Equal(t, []string{"7", "6", "5", "4", "3", "2", "1"}, list(notify.Filter{}))
	require.Equal(t, []string{"6", "5", "4", "3", "2", "1"}, list(notify.Filter{OrderID: "T1@2019-10-12/one"}))
	require.Equal(t, []string{"6", "4", "2"}, list(notify.Filter{Endpoint: "a"}))
	require.Equal(t, []string{"6", "4", "2"}, list(notify.Filter{Endpoint: "a", OrderID: "T1@2019-10-12/one"}))
	require.Equal(t, []string{"2"}, list(notify.Filter{Endpoint: "a", States: []notify.State{notify.Sent, notify.Refused}}))
	fourth := read(t, s, 4)
	after := notify.Place{CreatedAt: fourth.CreatedAt, ID: fourth.ID}
	require.Equal(t, []string{"3", "2"}, list(notify.Filter{After: after, Limit: 2}))
	require.Equal(t, []string{"2"}, list(notify.Filter{Endpoint: "a", After: after}))
}

// Endpoint is a new endpoint.
func Endpoint(id string) *notify.Endpoint {
	return &notify.Endpoint{
		ID: id, URL: "https://partner.example/" + id, Description: "描述", Secrets: []string{"whsec_one", "whsec_two"},
		Events: []ledger.EventType{ledger.EventOrderPaid, ledger.EventOrderRefunded}, Enabled: true, Version: 1,
	}
}

func endpoints(t *testing.T, s Kept) {
	none, err := s.Endpoints(t.Context())
	require.NoError(t, err)
	require.Empty(t, none)
	require.NoError(t, s.PutEndpoint(t.Context(), Endpoint("a")))
	s.Age(t, time.Second)
	b := Endpoint("b")
	b.Events, b.Secrets, b.Enabled, b.DisabledWhy = nil, []string{"whsec_b"}, false, "it is so"
	require.NoError(t, s.PutEndpoint(t.Context(), b))
	require.ErrorIs(t, s.PutEndpoint(t.Context(), Endpoint("a")), notify.ErrStale, "there is one")

	all, err := s.Endpoints(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
	want := *Endpoint("a")
	want.CreatedAt, want.ChangedAt = all[0].CreatedAt, all[0].CreatedAt
	require.Equal(t, want, *all[0])
	b.CreatedAt, b.ChangedAt = all[1].CreatedAt, all[1].CreatedAt
	require.Equal(t, *b, *all[1])

	a := *all[0]
	a.Version, a.FailingSince, a.Secrets, a.URL = 2, a.CreatedAt, []string{"whsec_new"}, "https://else.example"
	require.NoError(t, s.PutEndpoint(t.Context(), &a))
	require.ErrorIs(t, s.PutEndpoint(t.Context(), &a), notify.ErrStale)
	all, err = s.Endpoints(t.Context())
	require.NoError(t, err)
	a.ChangedAt = all[0].ChangedAt
	require.Equal(t, a, *all[0])

	was, err := s.DropEndpoint(t.Context(), "a")
	require.NoError(t, err)
	require.True(t, was)
	was, err = s.DropEndpoint(t.Context(), "a")
	require.NoError(t, err)
	require.False(t, was)
	a.Version = 3
	require.ErrorIs(t, s.PutEndpoint(t.Context(), &a), notify.ErrStale)
	all, err = s.Endpoints(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
}

func endpointsAreBounded(t *testing.T, s Kept) {
	for n := range notify.MaxEndpoints {
		require.NoError(t, s.PutEndpoint(t.Context(), Endpoint(fmt.Sprint("e", n))))
	}
	require.Equal(t, rail.Overloaded, rail.CodeOf(s.PutEndpoint(t.Context(), Endpoint("more"))))
}

func forget(t *testing.T, s Kept) {
	note(t, s, Mail(1), Mail(2), Mail(3), Mail(4))
	for n, state := range map[int]notify.State{1: notify.Sent, 2: notify.Skipped, 3: notify.GivenUp} {
		d := read(t, s, n)
		d.State = state
		require.NoError(t, change(t, s, *d, 0))
	}
	s.Age(t, time.Hour)
	late := read(t, s, 3)
	late.Answer = 1
	require.NoError(t, change(t, s, *late, 0))
	now, err := s.Now(t.Context())
	require.NoError(t, err)
	removed := 0
	for range 3 {
		n, err := s.Forget(t.Context(), now.Add(-time.Minute), 1)
		require.NoError(t, err)
		require.LessOrEqual(t, n, 1)
		removed += n
	}
	require.Equal(t, 2, removed)
	require.NotNil(t, read(t, s, 3), "it ended later")
	require.NotNil(t, read(t, s, 4), "it is pending")
}

// refuses what no row can hold: nothing of the batch is written.
func refuses(t *testing.T, s Kept) {
	for name, spoil := range map[string]func(*notify.Delivery){
		"id":     func(d *notify.Delivery) { d.ID = "" },
		"kind":   func(d *notify.Delivery) { d.Kind = notify.Kind(strings.Repeat("x", 65)) },
		"reason": func(d *notify.Delivery) { d.Reason = strings.Repeat("x", 201) },
		"text":   func(d *notify.Delivery) { d.Reason = "\xff" },
	} {
		wrong := Mail(2)
		spoil(&wrong)
		_, err := s.Write(t.Context(), notify.Batch{New: []notify.Delivery{Mail(1), wrong}})
		require.Equal(t, rail.Invalid, rail.CodeOf(err), name)
		require.Nil(t, read(t, s, 1), name)
	}
	_, err := s.Write(t.Context(), notify.Batch{New: slices.Repeat([]notify.Delivery{Mail(1)}, notify.MaxItems+1)})
	require.Error(t, err)
	written, err := s.Write(t.Context(), notify.Batch{})
	require.NoError(t, err)
	require.Empty(t, written.Errs)
}
