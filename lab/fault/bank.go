package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"interlock/lab/cluster"
	"interlock/lab/fault/history"
	"interlock/services/bank"
)

// paying is a cluster whose buyers pay at a bank, and whose holds are short, so that some come too late.
var paying = Shape{Servers: 2, LockNodes: 3, MessagesApart: true, Bank: true, Hold: payHold}

const (
	// payHold is how long an order may stay unpaid: long beside a payment, and a part of a fault's time.
	payHold = 12 * time.Second
	// bankLast is how long the bank is away or strange: some calls of it end by their time-outs meanwhile.
	bankLast = 8 * time.Second
	// moneySlow is until the last money is where it belongs.
	moneySlow = time.Minute
	// bankSlow is how much later a slow bank answers. hang is longer than any caller waits for it.
	bankSlow = 3 * time.Second
	hang     = 15 * time.Second
)

// during is what came of payments while the bank was strange.
type during struct {
	since, until time.Time
	// known are the charges that the bank had opened before; nil where it could not be asked any more.
	known map[string]bool
	calls []history.Call
	// charges are those that the bank has opened meanwhile; hooks the webhooks that came since. The bank tells times to
	// the second. Only what was certainly opened meanwhile counts.
	charges []bank.Charge
	hooks   []cluster.Webhook
}

// strange has the bank behave in some way for a while. proof says whether that took place, and what was wrong.
func strange(name string, behaviour bank.Behaviour, prove func(*during, *Injected)) Fault {
	return atBank(name, func(ctx context.Context, s *Scene, d *during) (func(context.Context) error, error) {
		return behaveWell(s), d.behave(ctx, s, behaviour)
	}, prove)
}

// behaveWell has the bank behave as usual again.
func behaveWell(s *Scene) func(context.Context) error {
	return func(ctx context.Context) error { return s.Cluster.Payments().Behave(ctx, bank.Behaviour{}) }
}

// behave has the bank behave in some way, and reads what it had opened until then. On an error it behaves as before.
func (d *during) behave(ctx context.Context, s *Scene, behaviour bank.Behaviour) error {
	if err := s.Cluster.Payments().Behave(ctx, behaviour); err != nil {
		return err
	}
	all, err := s.Cluster.Payments().Charges(ctx)
	if err != nil {
		return errors.Join(err, behaveWell(s)(ctx))
	}
	d.known = map[string]bool{}
	for i := range all {
		d.known[all[i].Session] = true
	}
	return nil
}

// atBank is a fault of the bank. Those who only order must not be held up by it.
func atBank(
	name string, begin func(context.Context, *Scene, *during) (func(context.Context) error, error),
	prove func(*during, *Injected),
) Fault {
	return Fault{
		Name: name, Area: paymentsArea, Shape: paying, Lasts: bankLast, Alone: true, Slow: moneySlow,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			d := &during{since: time.Now()}
			back, err := begin(ctx, s, d)
			if err != nil {
				return nil, err
			}
			return func(ctx context.Context) (Injected, error) {
				healed := time.Now()
				d.until = healed
				err := back(ctx)
				proof := Injected{Facts: map[string]any{}}
				if err = errors.Join(err, d.look(ctx, s)); err != nil {
					return proof, err
				}
				proof.Facts["payments_begun"] = d.begun()
				prove(d, &proof)
				s.later = append(s.later, func(context.Context) []string {
					return orderedAtOnce(s.Workload.Log().Calls(), d.since, healed, proof.Facts)
				})
				return proof, nil
			}, nil
		},
	}
}

// look reads what came since.
func (d *during) look(ctx context.Context, s *Scene) error {
	d.calls = slices.DeleteFunc(s.Workload.Log().Calls(), func(c history.Call) bool { return c.End.Before(d.since) })
	all, err := s.Cluster.Payments().Charges(ctx)
	for _, c := range all {
		opened := c.CreatedAt > d.since.Unix()
		if d.known != nil {
			opened = !d.known[c.Session]
		}
		if opened && c.CreatedAt < d.until.Unix() {
			d.charges = append(d.charges, c)
		}
	}
	for _, h := range s.Cluster.Payments().Webhooks.All() {
		if h.At.After(d.since) {
			d.hooks = append(d.hooks, h)
		}
	}
	return err
}

// begun is how many orders buyers began to pay for.
func (d *during) begun() int {
	began := map[string]bool{}
	for _, c := range d.calls {
		if c.Kind == history.Pay && c.Start.After(d.since) {
			began[c.Key] = true
		}
	}
	return len(began)
}

// slowest is the longest answer to a payment, and without how many had no answer that decides anything.
func (d *during) slowest() (longest time.Duration, without int) {
	for _, c := range d.calls {
		if c.Kind != history.Pay || !c.Start.After(d.since) {
			continue
		}
		longest = max(longest, c.End.Sub(c.Start))
		if c.Outcome != history.Waiting && !c.Outcome.Resolved() {
			without++
		}
	}
	return longest, without
}

// held is how many of the charges since the bank holds or has taken money of.
func (d *during) held() (n int) {
	for i := range d.charges {
		if d.charges[i].Authorised > 0 {
			n++
		}
	}
	return n
}

// heldTwice is how many payments since have two charges with money.
func (d *during) heldTwice() (n int) {
	held := map[string]int{}
	for i := range d.charges {
		if c := &d.charges[i]; c.Authorised > 0 {
			if held[c.PaymentID]++; held[c.PaymentID] == 2 {
				n++
			}
		}
	}
	return n
}

// orderedAtOnce notes how placings fared. wrong says so where one of them was held up.
func orderedAtOnce(calls []history.Call, from, to time.Time, facts map[string]any) (wrong []string) {
	var placings []history.Call
	for _, c := range calls {
		if c.Kind == history.Place {
			placings = append(placings, c)
		}
	}
	if wrong = notHeldUp(placings, from, to, facts); len(wrong) > 0 {
		return []string{"those who only order were held up"}
	}
	return nil
}

// providerSlow has every call of the bank take seconds.
func providerSlow() Fault {
	late := int(bankSlow.Milliseconds())
	return strange("provider_slow", bank.Behaviour{AuthoriseDelayMS: late, CaptureDelayMS: late, DelayMS: late},
		func(d *during, proof *Injected) {
			longest, _ := d.slowest()
			proof.Facts["slowest_payment_answer_ms"] = longest.Milliseconds()
			proof.Fired = longest >= bankSlow
		})
}

// providerLate has the bank do what it is asked for, and answer after everybody has given it up.
func providerLate() Fault {
	return strange("provider_answers_late", bank.Behaviour{LostAnswerRate: 1, HangMS: int(hang.Milliseconds())},
		func(d *during, proof *Injected) {
			longest, _ := d.slowest()
			proof.Facts["pages_opened_and_not_told"] = len(d.charges)
			proof.Facts["slowest_payment_answer_ms"] = longest.Milliseconds()
			proof.Fired = len(d.charges) > 0 && d.begun() > 0
		})
}

// providerDead kills the bank, which comes back with all it had.
func providerDead() Fault {
	return atBank("provider_dead", func(_ context.Context, s *Scene, _ *during) (func(context.Context) error, error) {
		return s.Cluster.Payments().Bank.Start, s.Cluster.Payments().Bank.Kill()
	}, func(d *during, proof *Injected) {
		paid := 0
		for _, c := range d.calls {
			if c.Kind == history.Pay && c.Start.After(d.since) && c.Outcome == history.Done {
				paid++
			}
		}
		proof.Facts["paid_meanwhile"] = paid
		proof.Fired = d.begun() > 0 && len(d.charges) == 0
	})
}

// twiceStream is the random stream of the buyer who certainly pays twice.
const twiceStream = 1 << 32

// webhookLost has no webhook arrive. The bank is asked how a payment stands. Of a payment's second charge only a
// reconciliation learns then, so one buyer certainly pays twice.
func webhookLost() Fault {
	begin := func(ctx context.Context, s *Scene, d *during) (func(context.Context) error, error) {
		if err := d.behave(ctx, s, bank.Behaviour{Webhooks: bank.Disorders{Lost: 1}}); err != nil {
			return nil, err
		}
		paying, cancel := context.WithTimeout(ctx, bankLast)
		defer cancel()
		if err := s.Workload.PayTwice(paying, "pays-twice", twiceStream); err != nil {
			return nil, errors.Join(fmt.Errorf("paying twice: %w", err), behaveWell(s)(ctx))
		}
		return behaveWell(s), nil
	}
	f := atBank("webhook_lost", begin, func(d *during, proof *Injected) {
		proof.Facts["authorised"], proof.Facts["webhooks"] = d.held(), len(d.hooks)
		proof.Facts["charged_twice"] = d.heldTwice()
		proof.Fired = d.held() > len(d.hooks) && d.heldTwice() > 0
	})
	f.Reconciles = true
	return f
}

// webhookTripled has each webhook arrive three times.
func webhookTripled() Fault {
	return strange("webhook_tripled", bank.Behaviour{Webhooks: bank.Disorders{Tripled: 1}},
		func(d *during, proof *Injected) {
			copies, tripled := map[string]int{}, 0
			for _, h := range d.hooks {
				if copies[h.ID]++; copies[h.ID] == 3 {
					tripled++
				}
			}
			proof.Facts["webhooks"], proof.Facts["tripled"] = len(d.hooks), tripled
			proof.Fired = tripled > 0
		})
}

// webhookOutOfOrder has webhooks arrive at random times.
func webhookOutOfOrder() Fault {
	return strange("webhook_out_of_order", bank.Behaviour{Webhooks: bank.Disorders{Reordered: 1}},
		func(d *during, proof *Injected) {
			// The bank tells of these in this order.
			rank := map[string]int{
				"payment_intent.amount_capturable_updated": 1, "checkout.session.completed": 2,
				"payment_intent.succeeded": 3, "payment_intent.canceled": 3, "charge.refunded": 4,
			}
			last, behind := map[string]int{}, 0
			for _, h := range d.hooks {
				if rank[h.Type] < last[h.PaymentID] {
					behind++
				}
				last[h.PaymentID] = max(last[h.PaymentID], rank[h.Type])
			}
			proof.Facts["webhooks"], proof.Facts["after_a_later_one"] = len(d.hooks), behind
			proof.Fired = behind > 0
		})
}

// webhookForged has a forged webhook, and an old one, come with each. Neither may be taken.
func webhookForged() Fault {
	return strange("webhook_forged", bank.Behaviour{Webhooks: bank.Disorders{Forged: 1, Old: 1}},
		func(d *during, proof *Injected) {
			const refusedFrom, servers = 400, 500
			taken, refused, twice := map[string]int{}, 0, 0
			for _, h := range d.hooks {
				switch {
				case h.Status/100 == 2:
					if taken[h.ID]++; taken[h.ID] == 2 {
						twice++
					}
				case h.Status >= refusedFrom && h.Status < servers:
					refused++
				}
			}
			proof.Facts["taken"], proof.Facts["refused"] = len(taken), refused
			proof.Fired = refused > 0 && len(taken) > 0
			if twice > 0 {
				proof.Unsafe = append(proof.Unsafe,
					fmt.Sprintf("%d webhooks that were forged or too old were taken", twice))
			}
		})
}

// primaryKilledDuringPayments kills the primary of the ledger and of the payments while buyers pay.
func primaryKilledDuringPayments() Fault {
	f := primaryKilled()
	f.Name, f.Area = "primary_killed_during_payments", paymentsArea
	f.Shape, f.Alone, f.Slow = Shape{
		Servers: 2, LockNodes: 3, Supervisors: 2, MessagesApart: true, Bank: true, Hold: payHold,
	}, true, moneySlow
	inject := f.Inject
	f.Inject = func(ctx context.Context, s *Scene) (Heal, error) {
		heal, err := inject(ctx, s)
		if err != nil {
			return heal, err
		}
		at := time.Now()
		return func(ctx context.Context) (Injected, error) {
			under := underWayAt(s.Workload.Log().Calls(), history.Pay, at)
			proof, err := heal(ctx)
			proof.Facts["payments_under_way"] = under
			proof.Fired = proof.Fired && under > 0
			return proof, err
		}, nil
	}
	return f
}

// underWayAt is how many requests of a kind had begun by a moment and were not over.
func underWayAt(calls []history.Call, kind history.Kind, at time.Time) (n int) {
	for request, attempts := range history.ByRequest(calls) {
		if request.Kind != kind || !attempts[0].Start.Before(at) {
			continue
		}
		if last := attempts[len(attempts)-1]; last.End.After(at) || !last.Outcome.Resolved() {
			n++
		}
	}
	return n
}
