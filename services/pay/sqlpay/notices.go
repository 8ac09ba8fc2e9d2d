package sqlpay

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"interlock/services/ledger/sqlledger"
	"interlock/services/pay"
)

// Bounds on notices.
const (
	// noticeAge is how long a notice is kept. Providers send again for days.
	noticeAge = 30 * 24 * time.Hour
	// noticesPage is how many are removed at a time.
	noticesPage = 500
	// noticesAtOnce is how many are written by one statement. A body has at most 64 KB.
	noticesAtOnce = 16
)

// noticesOf checks all notices of a batch, and counts them.
func noticesOf(b *pay.Batch) (n int, err error) {
	check := func(notices []pay.Heeded) {
		for i := range notices {
			n++
			err = cmp.Or(err, notices[i].Check())
		}
	}
	check(b.Notices)
	for i := range b.Changes {
		check(b.Changes[i].Notices)
	}
	if err == nil && n > maxPayments {
		err = fmt.Errorf("sqlpay: %d notices are more than the %d that are written at a time", n, maxPayments)
	}
	return n, err
}

// insertNotices writes notices, in the order of their keys. One that is there stays as it is.
func insertNotices(x *sqlledger.Tx, notices []pay.Heeded) {
	slices.SortFunc(notices, func(a, b pay.Heeded) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Notice.ID, b.Notice.ID))
	})
	row := "(?, ?, ?, ?, ?, " + x.Now() + ")"
	for chunk := range slices.Chunk(notices, noticesAtOnce) {
		var args []any
		bytes := 0
		for _, h := range chunk {
			n := &h.Notice
			args = append(args, h.Provider, n.ID, n.PaymentID, n.Reference,
				append([]byte{}, h.Body...)) // no body is not NULL
			bytes += len(h.Provider) + len(n.ID) + len(n.PaymentID) + len(n.Reference) + len(h.Body)
		}
		x.AtCommit(bytes, "INSERT INTO payment_notices (provider, id, payment_id, reference, body, at) VALUES "+row+
			strings.Repeat(","+row, len(chunk)-1)+x.OrKeep("provider"), args...)
	}
}

// HeededBefore looks notices up by their ids: see pay.Store.
func (s *Store) HeededBefore(ctx context.Context, provider string, ids []string) ([]bool, error) {
	if len(ids) > maxPayments {
		return nil, fmt.Errorf("sqlpay: %d notices are more than the %d that are looked up at a time", len(ids),
			maxPayments)
	}
	there := map[string]bool{}
	for chunk := range slices.Chunk(ids, maxIDs) {
		err := s.Read(ctx, func(x sqlledger.SQL) (string, []any) {
			return "SELECT id FROM payment_notices" + x.By(primaryKey) + " WHERE provider = ? AND id IN " +
				sqlledger.Marks(len(chunk)), append([]any{provider}, anys(chunk)...)
		}, func(r *sql.Rows) error {
			var id string
			err := r.Scan(&id)
			there[id] = true
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	before := make([]bool, len(ids))
	for i, id := range ids {
		before[i] = there[id]
	}
	return before, nil
}

// ForgetNotices removes notices older than 30 days, at most limit of them, and answers how many.
func (s *Store) ForgetNotices(ctx context.Context, limit int) (removed int, err error) {
	type key struct{ provider, id string }
	var keys []key
	age := noticeAge.Milliseconds()
	err = s.Read(ctx, func(x sqlledger.SQL) (string, []any) {
		return "SELECT provider, id FROM payment_notices" + x.By("payment_notices_at") + " WHERE at <= " + x.Now() +
			" - ? LIMIT ?", []any{age, bounded(limit)}
	}, func(r *sql.Rows) error {
		var k key
		err := r.Scan(&k.provider, &k.id)
		keys = append(keys, k)
		return err
	})
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	err = s.Write(ctx, func(_ context.Context, x *sqlledger.Tx) (bool, error) {
		for _, k := range keys {
			x.AtCommit(len(k.id), "DELETE FROM payment_notices WHERE provider = ? AND id = ? AND at <= "+x.Now()+" - ?",
				k.provider, k.id, age)
		}
		return true, nil
	})
	if err != nil {
		return 0, err
	}
	return len(keys), nil
}
