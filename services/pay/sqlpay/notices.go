package sqlpay

import (
	"context"
	"database/sql"
	"time"

	"interlock/services/ledger/sqlledger"
	"interlock/services/pay"
	"interlock/services/rail"
)

// Bounds on notices.
const (
	// maxBody is how long a webhook's body may be, in bytes.
	maxBody = 64 << 10
	// noticeAge is how long a notice is kept. Providers send again for days.
	noticeAge = 30 * 24 * time.Hour
	// noticesPage is how many are removed at a time.
	noticesPage = 500
)

// NoteNotice notes a webhook: see pay.Store.
func (s *Store) NoteNotice(ctx context.Context, provider string, n pay.Notice, body []byte) (done bool, err error) {
	if err := checkNotice(provider, &n, body); err != nil {
		return false, err
	}
	err = s.Write(ctx, func(ctx context.Context, x *sqlledger.Tx) (bool, error) {
		added, err := x.Exec(ctx, "INSERT INTO payment_notices (provider, id, payment_id, reference, body, at) "+
			"VALUES (?, ?, ?, ?, ?, "+x.Now()+")"+x.OrKeep("provider"),
			provider, n.ID, n.PaymentID, n.Reference, append([]byte{}, body...)) // no body is not NULL
		if err != nil || added > 0 {
			return true, err
		}
		return false, x.Rows(ctx, "SELECT done_at IS NOT NULL FROM payment_notices WHERE provider = ? AND id = ?",
			[]any{provider, n.ID}, func(r *sql.Rows) error { return r.Scan(&done) })
	})
	return done && err == nil, err
}

func checkNotice(provider string, n *pay.Notice, body []byte) error {
	for _, text := range []struct {
		name, value string
		most        int
	}{{"provider", provider, 32}, {"id", n.ID, 255}, {"payment", n.PaymentID, 64}, {"reference", n.Reference, 255}} {
		if err := fits("webhook's "+text.name, text.value, text.most); err != nil {
			return err
		}
	}
	if n.ID == "" || len(body) > maxBody {
		return rail.Refuse(rail.Invalid, "a webhook needs an id, and has at most %d bytes", maxBody)
	}
	return nil
}

// NoticeDone notes that a webhook's effect has taken place. One that has left meanwhile is passed over.
func (s *Store) NoticeDone(ctx context.Context, provider, id string) error {
	return s.Write(ctx, func(ctx context.Context, x *sqlledger.Tx) (bool, error) {
		n, err := x.Exec(ctx, "UPDATE payment_notices SET done_at = "+x.Now()+
			" WHERE provider = ? AND id = ? AND done_at IS NULL", provider, id)
		return n > 0, err
	})
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
