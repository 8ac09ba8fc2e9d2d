package gateway_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
	"interlock/services/rail"
)

// ticketStore is a store in memory that can be away.
type ticketStore struct {
	mu   sync.Mutex
	kept map[string]map[string]time.Time
	away bool
}

var errStoreAway = errors.New("dial tcp 10.1.2.3:6379: the password is hunter2")

func (s *ticketStore) AddStreamTicket(
	_ context.Context, holder, id string, now, until time.Time, allowed int,
) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return false, errStoreAway
	}
	if s.kept == nil {
		s.kept = map[string]map[string]time.Time{}
	}
	if s.kept[holder] == nil {
		s.kept[holder] = map[string]time.Time{}
	}
	live := 0
	for _, end := range s.kept[holder] {
		if end.After(now) {
			live++
		}
	}
	if live >= allowed {
		return false, nil
	}
	s.kept[holder][id] = until
	return true, nil
}

func (s *ticketStore) TakeStreamTicket(_ context.Context, holder, id string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return false, errStoreAway
	}
	_, ok := s.kept[holder][id]
	delete(s.kept[holder], id)
	return ok, nil
}

func (s *ticketStore) setAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// booth is two servers that share a store, and what makes tickets for both.
type booth struct {
	store *ticketStore
	made  *gateway.StreamTickets
	a, b  *world
}

func ticketsOf(t *testing.T, key byte, store gateway.StreamTicketStore, now func() time.Time) *gateway.StreamTickets {
	t.Helper()
	tickets, err := gateway.NewStreamTickets([]byte(strings.Repeat(string(rune(key)), 32)), store, now)
	require.NoError(t, err)
	return tickets
}

func openBooth(t *testing.T, change ...func(*gateway.Options)) *booth {
	t.Helper()
	b := &booth{store: &ticketStore{}}
	b.made = ticketsOf(t, 'k', b.store, nil)
	change = append(change, func(o *gateway.Options) { o.StreamTickets = ticketsOf(t, 'k', b.store, nil) })
	b.a, b.b = start(t, change...), start(t, change...)
	return b
}

func (b *booth) ticket(t *testing.T, viewer *rail.Viewer) string {
	t.Helper()
	ticket, _, err := b.made.Create(t.Context(), viewer)
	require.NoError(t, err)
	return ticket
}

func alice() *rail.Viewer {
	return &rail.Viewer{
		Subject: "alice@example.com", Roles: []rail.Role{rail.RolePassenger},
		Expires: time.Now().Add(time.Hour).Truncate(time.Second),
	}
}

// streamURL asks for an operation with a ticket, as EventSource does.
func streamURL(operation, ticket string) string {
	return "/graphql?" + url.Values{"query": {operation}, "streamTicket": {ticket}}.Encode()
}

const whoever = `subscription{whoever}`

func TestStreamTicket_LetsOneStreamIn(t *testing.T) {
	b := openBooth(t)
	for name, servers := range map[string][2]*world{"on one server": {b.a, b.a}, "on two": {b.b, b.a}} {
		t.Run(name, func(t *testing.T) {
			ticket := b.ticket(t, alice())
			response, body := servers[0].events(t, http.MethodGet, streamURL(whoever, ticket), "")
			require.Equal(t, http.StatusOK, response.StatusCode)
			require.Equal(t, "no-store", response.Header.Get("Cache-Control"))
			event(t, body)
			require.Contains(t, event(t, body), `{"whoever":"alice@example.com"}`)
			for _, w := range servers {
				r := w.do(t, http.MethodGet, streamURL(whoever, ticket), "", "Accept", "text/event-stream")
				require.Equal(t, http.StatusUnauthorized, r.status, r.raw)
				require.Equal(t, "UNAUTHENTICATED", r.code())
				require.Contains(t, r.Errors[0].Message, "was used before")
				require.NotContains(t, r.raw, ticket)
			}
		})
	}
}

// Of many who use one ticket at the same moment, one gets the stream.
func TestStreamTicket_OfManyAtOnce(t *testing.T) {
	b := openBooth(t)
	ticket := b.ticket(t, alice())
	statuses := make(chan int, 16)
	for i := range cap(statuses) {
		w := b.a
		if i%2 == 1 {
			w = b.b
		}
		go func() {
			request, err := http.NewRequest(http.MethodGet, w.url+streamURL(whoever, ticket), nil)
			if err != nil {
				panic(err)
			}
			request.Header.Set("Accept", "text/event-stream")
			response, err := w.client.Do(request)
			if err != nil {
				panic(err)
			}
			_ = response.Body.Close()
			statuses <- response.StatusCode
		}()
	}
	got := map[int]int{}
	for range cap(statuses) {
		got[<-statuses]++
	}
	require.Equal(t, map[int]int{http.StatusOK: 1, http.StatusUnauthorized: 15}, got)
}

// What a ticket is not for is refused, and leaves the ticket good.
func TestStreamTicket_IsForNothingElse(t *testing.T) {
	b := openBooth(t, func(o *gateway.Options) { o.MaxStreamsPerViewer = 1 })
	ticket := b.ticket(t, alice())
	token := b.a.token(t, "alice@example.com", rail.RolePassenger)
	events := []string{"Accept", "text/event-stream"}
	jsonBody := []string{"Accept", "text/event-stream", "Content-Type", "application/json"}
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		says               string
	}{
		"a query":                {"GET", streamURL(`{who}`, ticket), "", events, 400, "is for a subscription"},
		"a query as JSON":        {"GET", streamURL(`{who}`, ticket), "", nil, 400, "is for a subscription"},
		"a mutation":             {"GET", streamURL(`mutation{sell(count:1)}`, ticket), "", events, 405, "with POST"},
		"a subscription as JSON": {"GET", streamURL(whoever, ticket), "", nil, 400, "text/event-stream"},
		"a POST": {
			"POST", "/graphql?streamTicket=" + ticket, `{"query":"subscription{whoever}"}`, jsonBody, 400, "for a GET",
		},
		"a mutation by POST": {
			"POST", "/graphql?streamTicket=" + ticket, `{"query":"mutation{sell(count:1)}"}`, jsonBody, 400, "for a GET",
		},
		"a token beside it": {
			"GET", streamURL(whoever, ticket), "", append([]string{"Authorization", "Bearer " + token}, events...), 400,
			"a token or a stream ticket",
		},
		"two tickets": {
			"GET", streamURL(whoever, ticket) + "&streamTicket=" + ticket, "", events, 400, "streamTicket is given twice",
		},
		"an empty one": {"GET", streamURL(whoever, ""), "", events, 400, "the streamTicket is empty"},
		"another case": {
			"GET", strings.Replace(streamURL(whoever, ticket), "streamTicket", "streamticket", 1), "", events, 400,
			`"streamticket" is spelled "streamTicket"`,
		},
		"as a token": {
			"GET", "/graphql?query=%7Bwho%7D", "", []string{"Authorization", "Bearer " + ticket}, 401, "token",
		},
		"a WebSocket": {
			"GET", streamURL(whoever, ticket), "", []string{
				"Upgrade", "websocket", "Connection", "upgrade", "Sec-WebSocket-Version", "13",
				"Sec-WebSocket-Key", "MDEyMzQ1Njc4OWFiY2RlZg==",
			}, 400, "for a GET with Accept: text/event-stream",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.a.do(t, c.method, c.path, c.body, c.headers...)
			require.Equal(t, c.status, r.status, r.raw)
			require.Contains(t, r.Errors[0].Message, c.says)
			require.NotContains(t, r.raw, ticket)
		})
	}
	require.Zero(t, b.a.stub.sold)
	t.Run("a document that makes no sense", func(t *testing.T) {
		r := b.a.do(t, http.MethodGet, streamURL(`subscription{nothing}`, ticket), "", events...)
		require.Contains(t, r.raw, "GRAPHQL_VALIDATION_FAILED")
	})
	t.Run("one stream too many", func(t *testing.T) {
		_, body := b.a.events(t, http.MethodPost, "/graphql", `{"query":"subscription{ticks}"}`,
			"Authorization", "Bearer "+token)
		event(t, body)
		r := b.a.do(t, http.MethodGet, streamURL(whoever, ticket), "", events...)
		require.Equal(t, http.StatusTooManyRequests, r.status, "it counts for its viewer")
	})
	_, body := b.b.events(t, http.MethodGet, streamURL(whoever, ticket), "")
	event(t, body)
	require.Contains(t, event(t, body), "alice@example.com")
	for _, w := range []*world{b.a, b.b} {
		require.NotContains(t, w.log.String(), ticket)
		require.NotContains(t, w.do(t, http.MethodGet, "/metrics", "").raw, ticket)
	}
}

func TestStreamTicket_Forged(t *testing.T) {
	b := openBooth(t)
	good := b.ticket(t, alice())
	sealed, err := base64.RawURLEncoding.DecodeString(good)
	require.NoError(t, err)
	foreign, _, err := ticketsOf(t, 'x', b.store, nil).Create(t.Context(), alice())
	require.NoError(t, err)
	texts := map[string]string{
		"rubbish": "x", "not base64": "ä!", "of another key": foreign, "cut": good[:len(good)-4],
		"longer": good + "AAAA", "too long": strings.Repeat("A", 4096),
	}
	for _, i := range []int{0, len(sealed) / 2, len(sealed) - 1} {
		changed := append([]byte(nil), sealed...)
		changed[i] ^= 1
		texts["a bit of "+string(rune('a'+i%26))] = base64.RawURLEncoding.EncodeToString(changed)
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			r := b.a.do(t, http.MethodGet, streamURL(whoever, text), "", "Accept", "text/event-stream")
			require.Equal(t, http.StatusUnauthorized, r.status, r.raw)
			require.Equal(t, "the stream ticket is not valid", r.Errors[0].Message)
			require.NotEmpty(t, r.header.Get("WWW-Authenticate"))
		})
	}
	without := start(t)
	r := without.do(t, http.MethodGet, streamURL(whoever, good), "", "Accept", "text/event-stream")
	require.Equal(t, http.StatusUnauthorized, r.status, "a server that takes none")
	require.NotContains(t, good, "alice")
	for holder := range b.store.kept {
		require.NotContains(t, holder, "alice", "the store knows no subject")
	}
}

// While the store is away, no ticket is made and none is taken. The client is told to come back, and its ticket is good
// then.
func TestStreamTicket_StoreAway(t *testing.T) {
	b := openBooth(t)
	ticket := b.ticket(t, alice())
	b.store.setAway(true)
	_, _, err := b.made.Create(t.Context(), alice())
	require.Equal(t, rail.Unavailable, rail.CodeOf(err))
	r := b.a.do(t, http.MethodGet, streamURL(whoever, ticket), "", "Accept", "text/event-stream")
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.Equal(t, "UNAVAILABLE", r.code())
	require.Equal(t, "1", r.header.Get("Retry-After"))
	require.NotContains(t, r.raw, "hunter2")
	b.store.setAway(false)
	_, body := b.a.events(t, http.MethodGet, streamURL(whoever, ticket), "")
	event(t, body)
	require.Contains(t, event(t, body), "alice@example.com")
}

func TestStreamTicket_Bound(t *testing.T) {
	b := openBooth(t)
	for range gateway.StreamTicketsPerViewer {
		b.ticket(t, alice())
	}
	_, _, err := b.made.Create(t.Context(), alice())
	require.Equal(t, rail.Overloaded, rail.CodeOf(err))
	require.ErrorContains(t, err, "too many stream tickets")
	b.ticket(t, &rail.Viewer{Subject: "bob"})
}

func TestStreamTicket_IsOverSoon(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	store := &ticketStore{}
	tickets := ticketsOf(t, 'k', store, clock)
	w := start(t, func(o *gateway.Options) { o.StreamTickets = tickets })
	use := func(ticket string) *reply {
		return w.do(t, http.MethodGet, streamURL(whoever, ticket), "", "Accept", "text/event-stream")
	}
	first, until, err := tickets.Create(t.Context(), alice())
	require.NoError(t, err)
	require.Equal(t, now.Add(gateway.StreamTicketLife), until)
	second, _, err := tickets.Create(t.Context(), alice())
	require.NoError(t, err)
	now = now.Add(gateway.StreamTicketLife - time.Millisecond)
	require.Equal(t, http.StatusOK, use(first).status)
	now = now.Add(time.Millisecond)
	r := use(second)
	require.Equal(t, http.StatusUnauthorized, r.status)
	require.Equal(t, "the stream ticket is over: make another", r.Errors[0].Message)

	ends := now.Add(10 * time.Second)
	_, until, err = tickets.Create(t.Context(), &rail.Viewer{Subject: "alice", Expires: ends})
	require.NoError(t, err)
	require.Equal(t, ends, until, "no later than the token")
}

// The stream ends with the token that the ticket was made with.
func TestStreamTicket_StreamEndsWithTheToken(t *testing.T) {
	store := &ticketStore{}
	inBubble(t, func(t *testing.T, w *world, _ *pipes) {
		tickets := ticketsOf(t, 'k', store, nil)
		viewer := &rail.Viewer{Subject: "alice", Expires: time.Now().Add(time.Minute)}
		ticket, _, err := tickets.Create(t.Context(), viewer)
		require.NoError(t, err)
		_, body := w.events(t, http.MethodGet, streamURL(`subscription{ticks}`, ticket), "")
		began := time.Now()
		rest, err := io.ReadAll(body)
		require.NoError(t, err)
		require.Equal(t, time.Minute, time.Since(began))
		require.Contains(t, string(rest), `"code":"UNAUTHENTICATED"`)
		require.True(t, strings.HasSuffix(string(rest), "event: complete\ndata:\n\n"))
		<-w.stub.ended
	}, func(o *gateway.Options) { o.StreamTickets = ticketsOf(t, 'k', store, nil) })
}

// A URL has the ticket, so no URL may be in the log, however much is logged.
func TestStreamTicket_StandsInNoLog(t *testing.T) {
	var logged logged
	b := openBooth(t, func(o *gateway.Options) {
		o.Log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	for _, operation := range []string{
		`subscription{explodes}`, `subscription{broken}`, `subscription{refused(code:"INTERNAL")}`,
	} {
		ticket := b.ticket(t, alice())
		for range 2 {
			r := b.a.do(t, http.MethodGet, streamURL(operation, ticket), "", "Accept", "text/event-stream")
			require.NotContains(t, r.raw, ticket)
		}
		b.store.setAway(true)
		b.a.do(t, http.MethodGet, streamURL(operation, b.unused(t)), "", "Accept", "text/event-stream")
		b.store.setAway(false)
		require.NotContains(t, logged.String(), ticket)
	}
	require.Contains(t, logged.String(), "panicked")
	require.NotContains(t, logged.String(), "streamTicket")
}

// unused is a ticket that was made before the store went away.
func (b *booth) unused(t *testing.T) string {
	t.Helper()
	b.store.setAway(false)
	defer b.store.setAway(true)
	return b.ticket(t, alice())
}
