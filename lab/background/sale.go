package background

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"interlock/internal/pause"
	"interlock/lab/load"
)

// leg is the call before the leg that all trips cross; the next call is behind it.
const leg = load.Calls/2 - 1

// From and To are the stations on both sides of the leg.
func From() string { return load.StationCode(leg) }

// To is the station behind the leg.
func To() string { return load.StationCode(leg + 1) }

const (
	// pauseAfterTrouble keeps a buyer who gets no answer from asking in a tight circle.
	pauseAfterTrouble = 100 * time.Millisecond
	// maxTries is how often one key is asked: half a minute even where each answer is a refusal at once.
	maxTries = 300
)

// Options say what is sold, and to how many.
type Options struct {
	// Server is the address of one.
	Server   string
	Run      *load.Run
	Accounts *load.Accounts
	// Buyers is how many there are. Together they aim at PerSecond orders a second. A buyer that waits for an answer
	// leaves out what it could have bought meanwhile.
	Buyers    int
	PerSecond float64
}

// Sale is a sale that goes on.
type Sale struct {
	options Options
	cancel  context.CancelFunc
	all     sync.WaitGroup

	mu      sync.Mutex
	acks    []Ack
	refused int
	failed  int
	problem error
}

// Start begins to sell until ctx ends or Stop is called.
func Start(ctx context.Context, o Options) *Sale {
	s := &Sale{options: o}
	ctx, s.cancel = context.WithCancel(ctx)
	interval := time.Duration(float64(o.Buyers) / o.PerSecond * float64(time.Second))
	begun := time.Now()
	for n := range o.Buyers {
		s.all.Go(func() {
			account := o.Accounts.NewAccount()
			next := begun.Add(interval * time.Duration(n) / time.Duration(o.Buyers))
			for pause.For(ctx, time.Until(next)) {
				token, err := account.Token()
				if err != nil {
					s.fail(err)
					return
				}
				s.buy(ctx, load.API{Server: o.Server, Token: token})
				next = next.Add(interval)
				if now := time.Now(); next.Before(now) {
					next = now
				}
			}
		})
	}
	return s
}

// Stop ends the sale, once every buyer has its answer.
func (s *Sale) Stop() {
	s.cancel()
	s.all.Wait()
}

// Log tells what the buyers have heard so far.
func (s *Sale) Log() Log {
	s.mu.Lock()
	log := Log{Acks: slices.Clone(s.acks), Refused: s.refused, Failed: s.failed, Problem: s.problem}
	s.mu.Unlock()
	slices.SortFunc(log.Acks, func(a, b Ack) int { return a.HeardAt.Compare(b.HeardAt) })
	return log
}

// Capacity is how many orders the leg of a run has room for.
func Capacity(run *load.Run) int { return len(load.Classes) * run.SeatsPerClass }

const placeOrder = `mutation Buy($i:PlaceOrderInput!){placeOrder(input:$i){order{number} userErrors{code message ` +
	`path}}}`

// buy buys one ticket. It waits for the outcome, also when the sale ends meanwhile.
func (s *Sale) buy(ctx context.Context, api load.API) {
	life := context.WithoutCancel(ctx)
	name := fmt.Sprintf("%016x", rand.Uint64())
	input := map[string]any{
		"idempotencyKey": "background-" + name, "runId": s.options.Run.ID,
		"from": load.StationCode(rand.IntN(leg + 1)), "to": load.StationCode(leg + 1 + rand.IntN(load.Calls-leg-1)),
		"passengers": []any{map[string]any{
			"name": "王秀英", "documentNumber": "C" + name, "seatClass": load.Classes[rand.IntN(len(load.Classes))],
		}},
	}
	asked := time.Now()
	for range maxTries {
		var answer struct {
			PlaceOrder struct {
				Order      *struct{ Number string }
				UserErrors []struct {
					Code, Message string
					Path          []string
				}
			}
		}
		err := api.Ask(life, placeOrder, map[string]any{"i": input}, &answer)
		heard := time.Now()
		if err == nil && answer.PlaceOrder.Order == nil && len(answer.PlaceOrder.UserErrors) == 0 {
			err = errors.New("an answer without an order and without a reason")
		}
		if err != nil {
			s.fail(err)
		}
		s.mu.Lock()
		switch {
		case err != nil:
		case answer.PlaceOrder.Order == nil:
			s.refused++
			s.problem = fmt.Errorf("refused: %+v", answer.PlaceOrder.UserErrors)
		default:
			s.acks = append(s.acks, Ack{asked, heard})
		}
		s.mu.Unlock()
		if err == nil {
			return
		}
		pause.For(life, pauseAfterTrouble)
	}
}

func (s *Sale) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed++
	s.problem = err
}
