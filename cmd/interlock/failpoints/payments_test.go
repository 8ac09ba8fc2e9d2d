package failpoints_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/cmd/interlock/failpoints"
	"interlock/services/pay"
	"interlock/services/pay/paytest"
	"interlock/services/rail"
)

// till is a store of payments and a provider that note what was asked of them.
type till struct {
	pay.Store
	pay.Provider
	post
}

func (s *till) Update(_ context.Context, b pay.Batch) (pay.Written, error) {
	written := pay.Written{Errs: make([]error, len(b.Changes))}
	for i := range b.Starts {
		s.did("note")
		written.Started = append(written.Started, pay.Started{Payment: &b.Starts[i].Payment, Created: true})
	}
	for i := range b.Changes {
		s.did("note " + string(b.Changes[i].Payment.State))
	}
	return written, nil
}

func (s *till) Authorise(context.Context, *pay.Payment, string) (pay.Charge, error) {
	s.did("authorise")
	return pay.Charge{}, nil
}

func (s *till) Capture(context.Context, *pay.Payment, string) (pay.Charge, error) {
	s.did("capture")
	return pay.Charge{}, nil
}

func (s *till) Release(context.Context, *pay.Payment, string) (pay.Charge, error) {
	s.did("release")
	return pay.Charge{}, nil
}

// pays takes a payment past all the points.
func pays(ctx context.Context, store pay.Store, provider pay.Provider, p pay.Payment) {
	becomes := func(state pay.State) {
		from := p.State
		p.State = state
		_, _ = paytest.Change(ctx, store, []pay.Change{{Payment: p, From: from}})
	}
	p.State = pay.Created
	_, _, _ = paytest.Start(ctx, store, &p, time.Minute)
	_, _ = provider.Authorise(ctx, &p, "open")
	becomes(pay.Open)
	becomes(pay.Authorised)
	becomes(pay.Capturing)
	becomes(pay.Capturing) // one more try is no step
	_, _ = provider.Capture(ctx, &p, "capture")
	becomes(pay.Captured)
	_, _ = provider.Release(ctx, &p, "release")
}

func TestPayment_HeldAtEachPoint(t *testing.T) {
	steps := []string{
		"note", "authorise", "note OPEN", "note AUTHORISED", "note CAPTURING", "note CAPTURING", "capture",
		"note CAPTURED", "release",
	}
	done := map[failpoints.Point]int{
		failpoints.AfterNote: 1, failpoints.AfterOpen: 2, failpoints.AfterAuthorised: 4, failpoints.AfterCapturing: 5,
		failpoints.AfterCapture: 7, failpoints.AfterCaptured: 8, failpoints.AfterRelease: 9,
	}
	for _, point := range failpoints.PaymentPoints() {
		t.Run(string(point), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "control")
			control, err := failpoints.Listen(path, time.Minute)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, control.Close()) })
			s := &till{}
			store, provider := control.Store(s), control.Provider(s)
			held, by := s.holds(t, path, point, func() {
				pays(t.Context(), store, provider, pay.Payment{ID: "other", RunID: rail.RunID("T13@2019-10-12")})
				s.take()
				pays(t.Context(), store, provider, pay.Payment{ID: "one", RunID: run})
			})
			require.Equal(t, failpoints.Held{Point: point, Run: run, Payment: "one"}, *held)
			require.Equal(t, steps[:done[point]], by)
		})
	}
}
