package payrpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/pay/paypb"
	"interlock/services/pay/payrpc"
	"interlock/services/rail"
	"interlock/services/rpc"
	"interlock/services/rpc/rpctest"
)

var secret = strings.Repeat("s", 40)

// ways are how a Client reaches a Handler.
func ways(t *testing.T) map[string]struct {
	handler rpc.Access
	client  payrpc.ClientOptions
} {
	t.Helper()
	ca := rpctest.NewAuthority(t, "ca")
	server, client := ca.Issue(t, ca), ca.Issue(t, ca)
	known := rpc.Access{Secrets: rpc.Secrets{secret}}
	mutual := rpc.Access{Certificates: client}
	return map[string]struct {
		handler rpc.Access
		client  payrpc.ClientOptions
	}{
		"open":                 {},
		"gRPC":                 {client: payrpc.ClientOptions{GRPC: true}},
		"secret":               {known, payrpc.ClientOptions{Access: known}},
		"gRPC with a secret":   {known, payrpc.ClientOptions{Access: known, GRPC: true}},
		"mutual TLS":           {rpc.Access{Certificates: server}, payrpc.ClientOptions{Access: mutual}},
		"gRPC with mutual TLS": {rpc.Access{Certificates: server}, payrpc.ClientOptions{Access: mutual, GRPC: true}},
		"mutual TLS with a secret": {
			rpc.Access{Secrets: known.Secrets, Certificates: server},
			payrpc.ClientOptions{Access: rpc.Access{Secrets: known.Secrets, Certificates: client}},
		},
		"TLS with a secret": {
			rpc.Access{Secrets: known.Secrets, Certificates: rpc.Certificates{Own: server.Own, Key: server.Key}},
			payrpc.ClientOptions{Access: rpc.Access{
				Secrets: known.Secrets, Certificates: rpc.Certificates{CA: ca.File},
			}},
		},
	}
}

func aPayment(state pay.State) *pay.Payment {
	at := time.Date(2026, 11, 30, 12, 0, 0, 123_456_000, time.UTC)
	return &pay.Payment{
		ID: "p1", OrderID: "o1", RunID: "G1@2026-12-01", Amount: rail.Money{Minor: 55_300, Currency: "CNY"},
		Provider: "bank", Reference: "pi_1", RedirectURL: "https://bank.example/pi_1?a=1&b=2", State: state,
		Wants: pay.Release, Authorised: 55_300, Captured: 1, Released: 2, Refunded: 3, PayBy: at.Add(time.Minute),
		CaptureBy: at.Add(time.Hour), CreatedAt: at, ChangedAt: at.Add(time.Second), Version: 7,
		Reason: "card_declined",
		Refunds: pay.NewRefundList([]pay.Refund{
			{RefundOrder: pay.RefundOrder{ID: "r1", OrderID: "o1", Amount: rail.Money{Minor: 1}}, State: pay.RefundDone},
			{RefundOrder: pay.RefundOrder{ID: "r2", OrderID: "o2", Amount: rail.Money{Minor: 2}}, State: pay.RefundPending},
		}),
	}
}

// TestClient_IsTheServiceBehindIt asks all that a Service has, in every way there is.
func TestClient_IsTheServiceBehindIt(t *testing.T) {
	for name, way := range ways(t) {
		t.Run(name, func(t *testing.T) {
			s := &service{}
			c := serve(t, payrpc.HandlerOptions{Service: s, Access: way.handler}).client(t, way.client)
			require.NoError(t, c.Ready(t.Context()))

			for _, state := range pay.States {
				want := aPayment(state)
				s.start = func(_ context.Context, p *pay.Payment, payFor time.Duration) (*pay.Payment, error) {
					require.Equal(t, &pay.Payment{
						ID: want.ID, OrderID: want.OrderID, RunID: want.RunID,
						Amount: want.Amount,
					}, p)
					require.Equal(t, 93*time.Second, payFor)
					return want, nil
				}
				got, err := c.Start(t.Context(), want, 93*time.Second)
				require.NoError(t, err)
				require.Equal(t, want, got)
			}

			asked := pay.RefundOrder{
				ID: "r1", PaymentID: "p1", OrderID: "o1", Amount: rail.Money{Minor: 100, Currency: "CNY"},
			}
			for _, back := range []bool{false, true} {
				s.refund = func(_ context.Context, o pay.RefundOrder) (bool, error) {
					require.Equal(t, asked, o)
					return back, nil
				}
				done, err := c.Refund(t.Context(), asked)
				require.NoError(t, err)
				require.Equal(t, back, done)
			}
			s.refund = func(context.Context, pay.RefundOrder) (bool, error) {
				return false, rail.Refuse(rail.IdempotencyConflict, "that refund is of another order or amount")
			}
			_, err := c.Refund(t.Context(), asked)
			require.Equal(t, rail.IdempotencyConflict, rail.CodeOf(err))

			settlements := []pay.Settlement{
				{PaymentID: "a", Decision: pay.Capture, Within: 2 * time.Minute},
				{PaymentID: "b", Decision: pay.Release},
				{PaymentID: "c", Decision: pay.Release},
			}
			s.settle = func(_ context.Context, got []pay.Settlement) ([]error, error) {
				require.Equal(t, settlements, got)
				return []error{nil, rail.Refuse(rail.NotFound, "no b"), rail.Refuse(rail.WrongState, "c")}, nil
			}
			errs, err := c.Settle(t.Context(), settlements)
			require.NoError(t, err)
			require.Equal(t, []error{nil, rail.Refuse(rail.NotFound, "no b"), rail.Refuse(rail.WrongState, "c")}, errs)

			one, other := aPayment(pay.Open), aPayment(pay.Captured)
			other.ID, other.CaptureBy = "p2", time.Time{}
			s.payments = func(ids []string) ([]*pay.Payment, error) {
				require.Equal(t, []string{"p2", "none", "p1"}, ids)
				return []*pay.Payment{other, nil, one}, nil
			}
			found, err := c.Payments(t.Context(), []string{"p2", "none", "p1"})
			require.NoError(t, err)
			require.Equal(t, []*pay.Payment{other, nil, one}, found)

			s.ofOrders = func(ids []string) ([]*pay.Payment, error) {
				require.Equal(t, []string{"o1"}, ids)
				return []*pay.Payment{one, other}, nil
			}
			found, err = c.OfOrders(t.Context(), []string{"o1"})
			require.NoError(t, err)
			require.Equal(t, []*pay.Payment{one, other}, found)

			place := pay.Place{At: one.ChangedAt, ID: one.ID}
			s.changed = func(
				states []pay.State, within time.Duration, after pay.Place, limit int,
			) ([]*pay.Payment, error) {
				require.Equal(t, pay.States, states)
				require.Equal(t, 90*time.Second, within)
				require.Equal(t, place, after)
				require.Equal(t, 12, limit)
				return []*pay.Payment{other}, nil
			}
			found, err = c.Changed(t.Context(), pay.States, 90*time.Second, place, 12)
			require.NoError(t, err)
			require.Equal(t, []*pay.Payment{other}, found)

			report := pay.Report{
				Charges: 4, Payments: 3, Healed: 1, Left: 1,
				Differences: []pay.Difference{
					{PaymentID: "p1", OrderID: "o1", Reference: "pi_1", What: "not known here", Healed: true},
					{Reference: "pi_2", What: "in yen"},
				},
			}
			s.reconcile = func(_ context.Context, within time.Duration) (pay.Report, error) {
				require.Equal(t, 48*time.Hour, within)
				return report, nil
			}
			told, err := c.Reconcile(t.Context(), 0)
			require.NoError(t, err)
			require.Equal(t, report, told)
		})
	}
}

// TestErrors_SurviveTheWay sends every code there is through both protocols.
func TestErrors_SurviveTheWay(t *testing.T) {
	var given error
	s := &service{settle: func(context.Context, []pay.Settlement) ([]error, error) { return nil, given }}
	open := serve(t, payrpc.HandlerOptions{Service: s})
	for _, grpc := range []bool{false, true} {
		c := open.client(t, payrpc.ClientOptions{GRPC: grpc})
		for _, code := range []rail.Code{
			rail.Invalid, rail.NotFound, rail.SoldOut, rail.SaleNotOpen, rail.SaleClosed, rail.NotOnSale,
			rail.AlreadyTravelling, rail.HoldLimit, rail.DocumentLimit, rail.HoldExpired, rail.WrongState,
			rail.RunHasOrders,
			rail.PaymentUnavailable, rail.IdempotencyConflict, rail.BadUserInput, rail.Unauthenticated, rail.Forbidden,
			rail.Overloaded, rail.OrderPending, rail.Unavailable, rail.Internal,
		} {
			t.Run(fmt.Sprint(code, grpc), func(t *testing.T) {
				want := &rail.Error{Code: code, Message: "words for a developer", RetryAfter: 1500 * time.Millisecond}
				given = fmt.Errorf("inside: %w", &rail.Error{
					Code: code, Message: want.Message, RetryAfter: want.RetryAfter,
					Cause: errors.New("a name of a person"),
				})
				_, err := c.Settle(t.Context(), nil)
				require.Equal(t, want, err)
			})
		}
		given = fmt.Errorf("inside: %w", ledger.ErrInDoubt)
		_, err := c.Settle(t.Context(), nil)
		require.ErrorIs(t, err, ledger.ErrInDoubt)

		given = errors.New("the row of A. Passenger")
		_, err = c.Settle(t.Context(), nil)
		require.Equal(t, rail.Internal, rail.CodeOf(err))
		require.NotContains(t, err.Error(), "Passenger", "the text of an inner error stays inside")
		require.Contains(t, open.log.String(), "the row of A. Passenger")
	}
}

func TestClient_TriesAgainWhatMayHelp(t *testing.T) {
	for _, c := range []struct {
		name   string
		given  []error
		wanted int
		code   rail.Code
	}{
		{"works", []error{nil}, 1, ""},
		{"away twice", []error{rail.Refuse(rail.Unavailable, "a"), rail.Refuse(rail.Unavailable, "b"), nil}, 3, ""},
		{"in doubt once", []error{ledger.ErrInDoubt, nil}, 2, ""},
		{
			"away", []error{
				rail.Refuse(rail.Unavailable, "a"), rail.Refuse(rail.Unavailable, "b"),
				rail.Refuse(rail.Unavailable, "c"), nil,
			}, 3, rail.Unavailable,
		},
		{"turned away", []error{rail.Refuse(rail.Overloaded, "a"), nil}, 1, rail.Overloaded},
		{"refused", []error{rail.Refuse(rail.IdempotencyConflict, "a"), nil}, 1, rail.IdempotencyConflict},
		{"broken", []error{errors.New("a"), nil}, 1, rail.Internal},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := 0
			s := &service{start: func(_ context.Context, p *pay.Payment, _ time.Duration) (*pay.Payment, error) {
				require.Equal(t, "p1", p.ID, "a repetition has the same id")
				asked++
				return aPayment(pay.Open), c.given[asked-1]
			}}
			_, err := serve(t, payrpc.HandlerOptions{Service: s}).client(t, payrpc.ClientOptions{}).
				Start(t.Context(), aPayment(pay.Created), time.Minute)
			require.Equal(t, c.code, rail.CodeOf(err))
			require.Equal(t, c.wanted, asked)
		})
	}
}

// TestClient_GoesOnWithAnotherConnection: the one it has is cut in the middle of a call.
func TestClient_GoesOnWithAnotherConnection(t *testing.T) {
	asked := 0
	s := &service{start: func(context.Context, *pay.Payment, time.Duration) (*pay.Payment, error) {
		if asked++; asked == 1 {
			panic(http.ErrAbortHandler)
		}
		return aPayment(pay.Open), nil
	}}
	p, err := serve(t, payrpc.HandlerOptions{Service: s}).client(t, payrpc.ClientOptions{}).
		Start(t.Context(), aPayment(pay.Created), time.Minute)
	require.NoError(t, err)
	require.Equal(t, aPayment(pay.Open), p)
	require.Equal(t, 2, asked)
}

func TestClient_NoListener(t *testing.T) {
	log := &lines{}
	c := (&served{url: "http://127.0.0.1:1"}).client(t, payrpc.ClientOptions{Log: log.logger()})
	for range 3 {
		_, err := c.Settle(t.Context(), nil)
		require.Equal(t, rail.Unavailable, rail.CodeOf(err))
		var known *rail.Error
		require.ErrorAs(t, err, &known)
		require.Positive(t, known.RetryAfter)
	}
	require.Error(t, c.Ready(t.Context()))
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), "it is logged once")
	require.Equal(t, rpc.CallerStats{Calls: 10, Failed: 10, Retried: 6}, c.Stats())
}

// TestAccess_Strangers: none of them reaches the service, and a buyer is told that no payment can be taken.
func TestAccess_Strangers(t *testing.T) {
	ca, other := rpctest.NewAuthority(t, "ca"), rpctest.NewAuthority(t, "other")
	own, stranger := ca.Issue(t, ca), other.Issue(t, ca)
	locked := rpc.Access{Secrets: rpc.Secrets{secret}}
	mutual := rpc.Access{Certificates: own}
	both := rpc.Access{Secrets: locked.Secrets, Certificates: own}
	wrong := rpc.Secrets{strings.Repeat("w", 40)}
	for _, c := range []struct {
		name            string
		handler, caller rpc.Access
		code            rail.Code
	}{
		{"no secret", locked, rpc.Access{}, rail.Unauthenticated},
		{"wrong secret", locked, rpc.Access{Secrets: wrong}, rail.Unauthenticated},
		{"half a secret", locked, rpc.Access{Secrets: rpc.Secrets{secret[:39]}}, rail.Unauthenticated},
		{"no certificate", mutual, rpc.Access{Certificates: rpc.Certificates{CA: ca.File}}, rail.Unauthenticated},
		{"certificate of another authority", mutual, rpc.Access{Certificates: stranger}, rail.Unauthenticated},
		{"certificate without the secret", both, rpc.Access{Certificates: own}, rail.Unauthenticated},
		{
			"secret without the certificate", both,
			rpc.Access{Secrets: locked.Secrets, Certificates: rpc.Certificates{CA: ca.File}},
			rail.Unauthenticated,
		},
		{
			"a server of another authority", mutual,
			rpc.Access{Certificates: ca.Issue(t, other)},
			rail.Unavailable,
		},
	} {
		for _, grpc := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, grpc), func(t *testing.T) {
				at := serve(t, payrpc.HandlerOptions{Service: &service{}, Access: c.handler}) // it would panic
				log := &lines{}
				client := at.client(t, payrpc.ClientOptions{Access: c.caller, GRPC: grpc, Log: log.logger()})
				for range 2 {
					_, err := client.Start(t.Context(), aPayment(pay.Created), time.Minute)
					require.Equal(t, c.code, rail.CodeOf(err))
				}
				require.Error(t, client.Ready(t.Context()))
				require.Zero(t, at.handler.Stats().Calls)
				if c.code != rail.Unauthenticated {
					return
				}
				require.EqualValues(t, 3, client.Stats().Refused)
				require.EqualValues(t, 3, at.handler.Stats().Refused)
				require.Equal(t, 1, strings.Count(log.String(), "payments refuse our secret"), log.String())
				require.Equal(t, 1, strings.Count(at.log.String(), "was refused"), at.log.String())
				require.NotContains(t, log.String()+at.log.String(), secret[:8])

				_, err := payrpc.Port{Service: client}.Charge(t.Context(), &rail.Order{
					ID: "o1", RunID: "G1@2026-12-01", Total: rail.Money{Minor: 1, Currency: "CHF"},
				}, "k1", time.Minute)
				require.Equal(t, rail.PaymentUnavailable, rail.CodeOf(err))
			})
		}
	}
}

// TestAccess_TwoSecrets changes a secret without a moment in which a call is refused.
func TestAccess_TwoSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets")
	next := strings.Repeat("n", 32)
	load := func(text string) (rpc.Secrets, error) {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return rpc.LoadSecrets(file)
	}
	first, err := load(secret + "\n")
	require.NoError(t, err)
	both, err := load(secret + "\n\n" + next + "\n")
	require.NoError(t, err)
	second, err := load(next)
	require.NoError(t, err)
	at := serve(t, payrpc.HandlerOptions{Service: &service{}, Access: rpc.Access{Secrets: both}})
	for _, secrets := range []rpc.Secrets{first, both, second} {
		c := at.client(t, payrpc.ClientOptions{Access: rpc.Access{Secrets: secrets}})
		require.NoError(t, c.Ready(t.Context()))
	}
	for text, wrong := range map[string]string{
		"":                                   "not 0",
		"\n \n":                              "not 0",
		secret + "\n" + next + "\n" + secret: "not 3",
		secret[:31]:                          "at least 32 characters",
		secret + " " + secret:                "without spaces",
		strings.Repeat("x", 5_000):           "longer than 4096 bytes",
	} {
		_, err := load(text)
		require.ErrorContains(t, err, wrong)
		require.NotContains(t, err.Error(), secret[:31])
	}
	_, err = rpc.LoadSecrets(file + "-none")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestNewClient_Refuses(t *testing.T) {
	for _, c := range []struct {
		url    string
		access rpc.Access
		wrong  string
	}{
		{"", rpc.Access{}, "is not http://host:port"},
		{"127.0.0.1:8090", rpc.Access{}, "is not http://host:port"},
		{"ftp://127.0.0.1", rpc.Access{}, "is not http://host:port"},
		{"http://user:secret@127.0.0.1", rpc.Access{}, "is not http://host:port"},
		{"http://127.0.0.1/pay", rpc.Access{}, "is not http://host:port"},
		{
			"http://127.0.0.1",
			rpc.Access{Certificates: rpc.Certificates{CA: "x"}},
			"certificates go with https://",
		},
		{"https://127.0.0.1", rpc.Access{Certificates: rpc.Certificates{CA: "/dev/null"}}, "has no certificate"},
		{"https://127.0.0.1", rpc.Access{Certificates: rpc.Certificates{Own: "x"}}, "go together"},
		{"https://127.0.0.1", rpc.Access{Certificates: rpc.Certificates{Own: "x", Key: "y"}}, "no such file"},
	} {
		_, err := payrpc.NewClient(payrpc.ClientOptions{URL: c.url, Access: c.access})
		require.ErrorContains(t, err, c.wrong, c.url)
	}
}

// TestClient_DeadlineGoesAlong: the other side stops when its caller waits no more.
func TestClient_DeadlineGoesAlong(t *testing.T) {
	for _, grpc := range []bool{false, true} {
		var left time.Duration
		ended := make(chan error, 1)
		s := &service{start: func(ctx context.Context, _ *pay.Payment, _ time.Duration) (*pay.Payment, error) {
			deadline, _ := ctx.Deadline()
			left = time.Until(deadline)
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		}}
		c := serve(t, payrpc.HandlerOptions{Service: s}).client(t, payrpc.ClientOptions{GRPC: grpc})
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := c.Start(ctx, aPayment(pay.Created), time.Minute)
		require.Equal(t, rail.Unavailable, rail.CodeOf(err))
		require.Error(t, <-ended)
		require.LessOrEqual(t, left, 200*time.Millisecond)
	}
}

// TestHandler_DeadlineOfItsOwn: a caller that sets none does not hold a place for ever.
func TestHandler_DeadlineOfItsOwn(t *testing.T) {
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	s := &service{
		start: func(ctx context.Context, _ *pay.Payment, _ time.Duration) (*pay.Payment, error) {
			return nil, hang(ctx)
		},
		settle:    func(ctx context.Context, _ []pay.Settlement) ([]error, error) { return nil, hang(ctx) },
		refund:    func(ctx context.Context, _ pay.RefundOrder) (bool, error) { return false, hang(ctx) },
		reconcile: func(ctx context.Context, _ time.Duration) (pay.Report, error) { return pay.Report{}, hang(ctx) },
	}
	for procedure, want := range map[string]time.Duration{
		"Start": 8 * time.Second, "Settle": 10 * time.Second, "Refund": 10 * time.Second, "Reconcile": 10 * time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			h := payrpc.NewHandler(payrpc.HandlerOptions{Service: s, Log: (&lines{}).logger()})
			body := `{"paymentId":"p","orderId":"o","runId":"G1@2026-12-01",` +
				`"amount":{"currency":"CHF","minor":"1"},"payFor":"9s"}`
			if procedure != "Start" {
				body = "{}"
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://pay"+payrpc.Path+procedure,
				strings.NewReader(body))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/json")
			w := &answer{header: http.Header{}}
			begun := time.Now()
			h.ServeHTTP(w, r)
			require.Equal(t, want, time.Since(begun))
			require.Equal(t, http.StatusServiceUnavailable, w.status)
			require.Contains(t, w.body.String(), "it took too long")
		})
	}
}

// answer is what a handler wrote.
type answer struct {
	header http.Header
	status int
	body   strings.Builder
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// TestHandler_InputsAreBounded sends what makes no sense, past the Client.
func TestHandler_InputsAreBounded(t *testing.T) {
	at := serve(t, payrpc.HandlerOptions{Service: &service{}}) // it would panic
	raw := paypb.NewPaymentServiceClient(http.DefaultClient, at.url)
	c := at.client(t, payrpc.ClientOptions{})
	start := func(change func(*pay.Payment), payFor time.Duration) func() error {
		return func() error {
			p := aPayment(pay.Created)
			change(p)
			_, err := c.Start(t.Context(), p, payFor)
			return err
		}
	}
	settle := func(s ...pay.Settlement) func() error {
		return func() error { _, err := c.Settle(t.Context(), s); return err }
	}
	for name, send := range map[string]func() error{
		"time that is over": start(func(*pay.Payment) {}, -time.Second),
		"two months":        start(func(*pay.Payment) {}, 60*24*time.Hour),
		"a long capture":    settle(pay.Settlement{PaymentID: "a", Decision: pay.Capture, Within: 60 * 24 * time.Hour}),
		"too many":          settle(make([]pay.Settlement, payrpc.MaxItems+1)...),
		"too many ids": func() error {
			_, err := c.Payments(t.Context(), make([]string, payrpc.MaxItems+1))
			return err
		},
		"too many orders": func() error {
			_, err := c.OfOrders(t.Context(), make([]string, payrpc.MaxItems+1))
			return err
		},
		"no limit": func() error { _, err := c.Changed(t.Context(), nil, 0, pay.Place{}, 0); return err },
		"a long list": func() error {
			_, err := c.Changed(t.Context(), nil, 0, pay.Place{}, payrpc.MaxItems+1)
			return err
		},
		"a state of nobody's": func() error {
			_, err := c.Changed(t.Context(), []pay.State{"GONE"}, 0, pay.Place{}, 1)
			return err
		},
		"a long time ago": func() error { _, err := c.Reconcile(t.Context(), 1_000*time.Hour); return err },
	} {
		t.Run(name, func(t *testing.T) {
			err := send()
			require.Equal(t, rail.Invalid, rail.CodeOf(err), "%v", err)
		})
	}
	t.Run("too large", func(t *testing.T) {
		_, err := raw.Get(t.Context(), &paypb.GetRequest{PaymentIds: []string{strings.Repeat("x", 1<<20)}})
		require.Equal(t, connect.CodeResourceExhausted, connect.CodeOf(err))
		_, err = c.Payments(t.Context(), []string{strings.Repeat("x", 1<<20)})
		require.Equal(t, rail.Invalid, rail.CodeOf(err))
	})
	t.Run("not of the protocol", func(t *testing.T) {
		response, err := http.Post(at.url+payrpc.Path+"Start", "text/plain", strings.NewReader("hello"))
		require.NoError(t, err)
		defer response.Body.Close()
		require.Equal(t, http.StatusUnsupportedMediaType, response.StatusCode)
	})
	http.DefaultClient.CloseIdleConnections()
}

// TestHandler_AnswerIsBounded: a Client does not read more than it can hold.
func TestHandler_AnswerIsBounded(t *testing.T) {
	s := &service{payments: func([]string) ([]*pay.Payment, error) {
		p := aPayment(pay.Open)
		p.RedirectURL = strings.Repeat("x", 9<<20)
		return []*pay.Payment{p}, nil
	}}
	_, err := serve(t, payrpc.HandlerOptions{Service: s}).client(t, payrpc.ClientOptions{}).
		Payments(t.Context(), []string{"p1"})
	require.Error(t, err)
}

// TestHandler_Overloaded: those that wait for the provider leave room for those that do not.
func TestHandler_Overloaded(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	s := &service{
		start: func(context.Context, *pay.Payment, time.Duration) (*pay.Payment, error) {
			begun <- struct{}{}
			<-goOn
			return aPayment(pay.Open), nil
		},
		settle: func(context.Context, []pay.Settlement) ([]error, error) { return nil, nil },
	}
	at := serve(t, payrpc.HandlerOptions{Service: s, MaxStarting: 1})
	c := at.client(t, payrpc.ClientOptions{})
	first := make(chan error)
	go func() { _, err := c.Start(t.Context(), aPayment(pay.Created), time.Minute); first <- err }()
	<-begun
	_, err := c.Start(t.Context(), aPayment(pay.Created), time.Minute)
	var known *rail.Error
	require.ErrorAs(t, err, &known)
	require.Equal(t, rail.Overloaded, known.Code)
	require.Equal(t, time.Second, known.RetryAfter)
	_, err = c.Settle(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, rpc.GateStats{Calls: 2, Overloaded: 1, UnderWay: 1}, at.handler.Stats())
	close(goOn)
	require.NoError(t, <-first)
}

func TestHandler_Panic(t *testing.T) {
	s := &service{settle: func(context.Context, []pay.Settlement) ([]error, error) { panic("a name") }}
	at := serve(t, payrpc.HandlerOptions{Service: s})
	c := at.client(t, payrpc.ClientOptions{})
	_, err := c.Settle(t.Context(), nil)
	require.Equal(t, rail.Internal, rail.CodeOf(err))
	require.NotContains(t, err.Error(), "a name")
	require.NoError(t, c.Ready(t.Context()), "it lives on")
}

// TestHandler_SlowBody: a caller that sends half a request, and nothing more, is not waited for without end.
func TestHandler_StrangersBodyIsNotRead(t *testing.T) {
	at := serve(t, payrpc.HandlerOptions{Service: &service{}, Access: rpc.Access{Secrets: rpc.Secrets{secret}}})
	read, write := io.Pipe()
	defer write.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at.url+payrpc.Path+"Start", read)
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultTransport.RoundTrip(r) // the body never ends
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
}

func TestPort(t *testing.T) {
	order := &rail.Order{ID: "o1", RunID: "G1@2026-12-01", Total: rail.Money{Minor: 55_300, Currency: "CNY"}}
	for state, want := range map[pay.State][2]string{
		pay.Created: {"PENDING", "url"}, pay.Open: {"PENDING", "url"}, pay.Authorised: {"PENDING"},
		pay.Capturing: {"PENDING"}, pay.Captured: {"PENDING"}, pay.Failed: {"FAILED"}, pay.Releasing: {"FAILED"},
		pay.Released: {"FAILED"}, pay.Refunding: {"FAILED"}, pay.Refunded: {"FAILED"},
	} {
		port := payrpc.Port{Service: &service{
			start: func(_ context.Context, p *pay.Payment, payFor time.Duration) (*pay.Payment, error) {
				require.Equal(t, &pay.Payment{ID: "k1", OrderID: "o1", RunID: order.RunID, Amount: order.Total}, p)
				require.Equal(t, time.Minute, payFor)
				return &pay.Payment{State: state, RedirectURL: "url"}, nil
			},
		}}
		got, err := port.Charge(t.Context(), order, "k1", time.Minute)
		require.NoError(t, err)
		require.Equal(t, want, [2]string{string(got.State), got.RedirectURL}, state)
	}
	for _, c := range []struct {
		given error
		want  rail.Code
	}{
		{rail.Refuse(rail.Unauthenticated, "a"), rail.PaymentUnavailable},
		{ledger.ErrInDoubt, rail.OrderPending},
		{rail.Refuse(rail.Unavailable, "a"), rail.Unavailable},
		{rail.Refuse(rail.Overloaded, "a"), rail.Overloaded},
		{rail.Refuse(rail.IdempotencyConflict, "a"), rail.IdempotencyConflict},
		{rail.Refuse(rail.PaymentUnavailable, "a"), rail.PaymentUnavailable},
		{rail.Refuse(rail.WrongState, "five are open"), rail.WrongState},
		{errors.New("a"), rail.Internal},
	} {
		port := payrpc.Port{Service: &service{
			start: func(context.Context, *pay.Payment, time.Duration) (*pay.Payment, error) { return nil, c.given },
		}}
		_, err := port.Charge(t.Context(), order, "k1", time.Minute)
		require.Equal(t, c.want, rail.CodeOf(err))
	}
}

func TestPort_Void(t *testing.T) {
	var errs []error
	var err error
	asked := atomic.Int64{}
	port := payrpc.Port{Service: &service{settle: func(_ context.Context, s []pay.Settlement) ([]error, error) {
		asked.Add(1)
		require.Equal(t, []pay.Settlement{{PaymentID: "k1", Decision: pay.Release}}, s)
		return errs, err
	}}}
	require.NoError(t, port.Void(t.Context(), nil, "k1"))
	errs = []error{rail.Refuse(rail.NotFound, "nothing was taken")}
	require.NoError(t, port.Void(t.Context(), nil, "k1"))
	errs, err = nil, rail.Refuse(rail.Unavailable, "away")
	require.Equal(t, rail.Unavailable, rail.CodeOf(port.Void(t.Context(), nil, "k1")))
	require.EqualValues(t, 3, asked.Load())
}
