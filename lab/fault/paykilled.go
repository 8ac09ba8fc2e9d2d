package fault

import (
	"context"
	"errors"
	"time"

	"interlock/cmd/interlock/failpoints"
	"interlock/internal/servers"
	"interlock/services/pay"
)

// payKilled kills the service of payments at every point, one after the other, and starts it again each time.
func payKilled() Fault {
	return Fault{
		Name: "pay_killed_at_each_step", Area: paymentsArea, Shape: paying, Lasts: time.Second, Alone: true,
		Slow: moneySlow,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			return killEach(ctx, failpoints.PaymentPoints(), s.killPayAt) // C12 judges what became of each.
		},
	}
}

// killEach kills a service at every point, one after the other. At each, all must be as it must be there. A check judges
// what becomes of it afterwards.
func killEach[K interface{ fits() bool }](
	ctx context.Context, points []failpoints.Point, kill func(context.Context, failpoints.Point) (K, error),
) (Heal, error) {
	proof := Injected{Fired: true, Facts: map[string]any{}}
	for _, point := range points {
		k, err := kill(ctx, point)
		if err != nil {
			return nil, err
		}
		proof.Facts[string(point)] = k
		proof.Fired = proof.Fired && k.fits()
	}
	return func(context.Context) (Injected, error) { return proof, nil }, nil
}

// payKill is the death of the service of payments with one in its hands, and how that stood just then.
type payKill struct {
	failpoints.Held
	// State is the payment's own. AtBank are the states of its charges at the bank.
	State  pay.State          `json:"state"`
	AtBank []pay.ChargeStatus `json:"at_bank"`
}

// fits tells whether the payment and the bank were as they must be at the point. A charge that was paid a second time
// may stand otherwise.
func (k *payKill) fits() bool {
	has := func(status pay.ChargeStatus) bool {
		for _, s := range k.AtBank {
			if s == status {
				return true
			}
		}
		return false
	}
	switch k.Point {
	case failpoints.AfterNote:
		return k.State == pay.Created && len(k.AtBank) == 0
	case failpoints.AfterOpen:
		return k.State == pay.Created && has(pay.ChargeOpen)
	case failpoints.AfterAuthorised:
		return k.State == pay.Authorised && has(pay.ChargeAuthorised)
	case failpoints.AfterCapturing:
		return k.State == pay.Capturing && has(pay.ChargeAuthorised)
	case failpoints.AfterCapture:
		return k.State == pay.Capturing && has(pay.ChargeCaptured)
	case failpoints.AfterCaptured:
		return k.State == pay.Captured && has(pay.ChargeCaptured)
	default:
		return k.State == pay.Releasing && has(pay.ChargeClosed)
	}
}

// killPayAt kills the service of payments when it holds a payment at a point, and starts it again.
func (s *Scene) killPayAt(ctx context.Context, point failpoints.Point) (*payKill, error) {
	victim := s.Cluster.Payments().Service
	_, held, release, err := s.holdFirst(ctx, []*servers.Program{victim}, point)
	if err != nil {
		return nil, err
	}
	defer release()
	k := &payKill{Held: *held}
	if err := k.look(ctx, s); err != nil {
		return nil, err
	}
	s.Log.Info("a payment is held", "payment", *k)
	return k, errors.Join(victim.Kill(), victim.Start(context.WithoutCancel(ctx)))
}

// look asks the payments' database and the bank.
func (k *payKill) look(ctx context.Context, s *Scene) error {
	primary, err := primaryOf(ctx, s.Cluster)
	if err != nil {
		return err
	}
	store, err := openPayments(ctx, s.Cluster, primary)
	if err != nil {
		return err
	}
	defer store.Close()
	found, err := store.Payments(ctx, []string{k.Payment})
	if err != nil {
		return err
	}
	if found[0] != nil {
		k.State = found[0].State
	}
	charges, err := chargesOf(ctx, s.Cluster, s.runIDs())
	for i := range charges {
		c := &charges[i]
		if c.PaymentID == k.Payment || found[0] != nil && c.Reference == found[0].Reference {
			k.AtBank = append(k.AtBank, c.Status)
		}
	}
	return err
}
