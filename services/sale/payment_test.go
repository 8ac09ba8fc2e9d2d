package sale_test

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"interlock/services/pay"
	"interlock/services/rail"
	"interlock/services/sale"
)

// bank is a provider as most are: it knows a payment by its key alone, and answers a key that it knows as it did
// before.
type bank struct {
	mu    sync.Mutex
	taken map[string]rail.Money
	// of is the order that a key was first used for.
	of map[string]string
	// back is what went back, by payment and by refund. Where slow is set, a refund is done when it is asked for again.
	back map[string]map[string]rail.Money
	slow bool
	// failing is asked before a refund.
	failing func() error
}

func newBank() *bank {
	return &bank{
		taken: map[string]rail.Money{}, of: map[string]string{}, back: map[string]map[string]rail.Money{},
	}
}

func (b *bank) Refund(_ context.Context, r pay.RefundOrder) (bool, error) {
	if b.failing != nil {
		if err := b.failing(); err != nil {
			return false, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if known, ok := b.back[r.PaymentID][r.ID]; ok {
		if known != r.Amount {
			return false, rail.Refuse(rail.IdempotencyConflict, "another amount")
		}
		return true, nil
	}
	if r.Amount.Minor <= 0 || r.Amount.Minor > b.left(r.PaymentID) {
		return false, rail.Refuse(rail.Invalid, "%s of %d is more than is left", r.Amount, b.left(r.PaymentID))
	}
	if b.back[r.PaymentID] == nil {
		b.back[r.PaymentID] = map[string]rail.Money{}
	}
	b.back[r.PaymentID][r.ID] = r.Amount
	return !b.slow, nil
}

// left is what is left of what a payment took.
func (b *bank) left(payment string) int64 {
	left := b.taken[payment].Minor
	for _, back := range b.back[payment] {
		left -= back.Minor
	}
	return left
}

func (b *bank) Charge(_ context.Context, order *rail.Order, key string, _ time.Duration) (sale.Payment, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.of[key]; !known {
		b.taken[key], b.of[key] = order.ToPay(), order.ID
	}
	return sale.Payment{State: sale.PaymentSucceeded}, nil
}

func (b *bank) Void(_ context.Context, _ *rail.Order, key string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.taken, key)
	return nil
}

// has is what the bank has taken, by order.
func (b *bank) has() map[string]rail.Money {
	b.mu.Lock()
	defer b.mu.Unlock()
	has := map[string]rail.Money{}
	for key, total := range b.taken {
		has[b.of[key]] = total
	}
	return has
}

// TestPay_OneKeyForManyOrders has buyers use one key for several orders, each time and again on another server, all at
// once: every order is charged for, once.
func TestPay_OneKeyForManyOrders(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	other := w.open(t, sale.Settings{})
	bank := newBank()
	w.Payments, other.Payments = bank, bank
	want := map[string]rail.Money{}
	var all sync.WaitGroup
	for i, buyer := range []string{"ann", "ann", "bob"} {
		documents := []string{"DOC10000", "DOC20000"}[:1+i%2] // amounts differ
		for k := range documents {
			documents[k] += fmt.Sprint(i)
		}
		order, err := w.Place(t.Context(), buyer, w.order(fmt.Sprint("order", i), documents...))
		require.NoError(t, err)
		want[order.ID] = order.Total
		for _, service := range []*sale.Service{w.Service, w.Service, other} {
			all.Go(func() {
				paid, payment, err := service.Pay(t.Context(), buyer, order.ID, "payment-0001")
				if assert.NoError(t, err) {
					assert.Equal(t, rail.Paid, paid.State)
					assert.Equal(t, sale.PaymentSucceeded, payment.State)
				}
			})
		}
	}
	all.Wait()
	require.Len(t, bank.taken, 3)
	require.Equal(t, want, bank.has())
}

// TestPay_GivesBackItsOwn has payments come too late whose key another order was paid with.
func TestPay_GivesBackItsOwn(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	bank := newBank()
	w.Payments = bank
	paid, err := w.Place(t.Context(), "ann", w.order("paid", "DOC00001"))
	require.NoError(t, err)
	_, _, err = w.Pay(t.Context(), "ann", paid.ID, "payment-0001")
	require.NoError(t, err)
	for _, buyer := range []string{"ann", "bob"} {
		late, err := w.Place(t.Context(), buyer, w.order("late", "DOC0000"+buyer))
		require.NoError(t, err)
		w.book.mu.Lock()
		w.book.orders[late.ID].State = rail.Cancelled
		w.book.mu.Unlock()
		_, _, err = w.Pay(t.Context(), buyer, late.ID, "payment-0001")
		require.Equal(t, rail.WrongState, rail.CodeOf(err))
		require.Equal(t, paid.Total, bank.has()[paid.ID], "nobody else's money was given back")
	}
}

// TestPay_KeyOfTheProvider looks at the keys themselves: what makes them is put together in no two ways.
func TestPay_KeyOfTheProvider(t *testing.T) {
	w := openWorld(t, sale.Settings{})
	bank := newBank()
	w.Payments = bank
	triples := [][2]string{
		{"1", "2ann"}, {"12", "ann"}, {"12a", "nn"}, {"12:", "ann"}, {"12:3", ":ann"}, {"12:3:", "ann"},
	}
	for i, triple := range triples {
		id, buyer := triple[0], triple[1]
		w.NewID = func() string { return id }
		order, err := w.Place(t.Context(), buyer, w.order(fmt.Sprint("order", i), fmt.Sprint("DOC0000", i)))
		require.NoError(t, err)
		for _, key := range []string{"payment-0001", "payment-00011"} {
			_, _, err = w.Pay(t.Context(), buyer, order.ID, key)
			if key == "payment-0001" {
				require.NoError(t, err)
			} else {
				require.Equal(t, rail.WrongState, rail.CodeOf(err), "another key is another payment")
			}
		}
	}
	require.Len(t, bank.has(), len(triples))
	for key := range bank.of {
		require.Regexp(t, regexp.MustCompile(`^[0-9a-f]{64}$`), key)
	}
}

func TestSandbox_IsExactAboutKeys(t *testing.T) {
	s := sale.NewSandbox()
	order := &rail.Order{ID: "a", Total: rail.Money{Minor: 100, Currency: "CNY"}}
	charge := func(id string, minor int64, key string) (sale.PaymentState, rail.Code) {
		p, err := s.Charge(t.Context(), &rail.Order{ID: id, Total: rail.Money{Minor: minor, Currency: "CNY"}}, key,
			time.Minute)
		return p.State, rail.CodeOf(err)
	}
	for range 2 {
		state, code := charge("a", 100, "k")
		require.Equal(t, sale.PaymentSucceeded, state)
		require.Empty(t, code)
	}
	for _, other := range []struct {
		order string
		minor int64
	}{{"b", 100}, {"a", 101}} {
		state, code := charge(other.order, other.minor, "k")
		require.Empty(t, state)
		require.Equal(t, rail.IdempotencyConflict, code)
	}
	require.Equal(t, rail.IdempotencyConflict, rail.CodeOf(s.Void(t.Context(), &rail.Order{ID: "b"}, "k")))
	state, _ := charge("a", 100, "k")
	require.Equal(t, sale.PaymentSucceeded, state, "nothing was given back")
	require.NoError(t, s.Void(t.Context(), order, "another"), "there is nothing to give back")
	for range 2 {
		require.NoError(t, s.Void(t.Context(), order, "k"))
		state, _ = charge("a", 100, "k")
		require.Equal(t, sale.PaymentFailed, state, "it was given back")
	}
	for i := range 20_000 { // more than it remembers
		state, _ = charge("a", 100, fmt.Sprint(i))
		require.Equal(t, sale.PaymentSucceeded, state)
	}
	state, _ = charge("b", 100, "k")
	require.Equal(t, sale.PaymentSucceeded, state, "it has forgotten the oldest")
}
