package sqlledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"interlock/services/ledger"
	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// Keyring seals personal data. Package keyring has one.
type Keyring interface {
	// Keys are the ids of the keys, each of at most 32 characters. The first seals, and every one opens.
	Keys() []string
	// Seal seals a text with the first key. The sealed text opens only in the place where it is kept.
	Seal(text, place []byte) (key string, sealed []byte)
	// Open opens what was sealed for a place. Its error says nothing of what is in it.
	Open(key string, sealed, place []byte) ([]byte, error)
}

// placeOfTicket is where a passenger is kept: a row that was copied to another order does not open there.
func placeOfTicket(orderID string, n int) []byte {
	return []byte("ticket " + orderID + " " + strconv.Itoa(n))
}

// placeOfKey is where a key's own id is kept, sealed with the key.
func placeOfKey(id string) []byte { return []byte("key " + id) }

// withContact is set in the first byte of a passenger's text where a contact is in it.
const withContact = 0x80

// seal seals the passenger of an order's n-th ticket: the length of the document number in a byte, the number, the
// name. Where there is a contact, its address and its language stand before the name, each behind its length.
func (l *link) seal(orderID string, n int, p rail.Passenger) (key string, sealed []byte) {
	text := prefixed(nil, p.DocumentNumber)
	if c := p.Contact; c != (rail.Contact{}) {
		text[0] |= withContact
		text = prefixed(prefixed(text, c.Email), c.Language)
	}
	return l.options.Keyring.Seal(append(text, p.Name...), placeOfTicket(orderID, n))
}

// prefixed appends a text behind its length in a byte.
func prefixed(b []byte, text string) []byte { return append(append(b, byte(len(text))), text...) }

// errTooShort says that a sealed text ends before what it should have.
var errTooShort = errors.New("it is too short")

// readPrefixed cuts a text that was appended by prefixed off the front.
func readPrefixed(b []byte) (text string, rest []byte, err error) {
	if len(b) == 0 || len(b) <= int(b[0]) {
		return "", nil, errTooShort
	}
	n := 1 + int(b[0])
	return string(b[1:n]), b[n:], nil
}

// readPassenger is the passenger of a text that was sealed.
func readPassenger(text []byte) (p rail.Passenger, err error) {
	if len(text) == 0 {
		return p, errTooShort
	}
	has := text[0]&withContact != 0
	text[0] &^= withContact
	p.DocumentNumber, text, err = readPrefixed(text)
	if has && err == nil {
		p.Contact.Email, text, err = readPrefixed(text)
	}
	if has && err == nil {
		p.Contact.Language, text, err = readPrefixed(text)
	}
	p.Name = string(text)
	return p, err
}

// passenger opens the passenger of a row. It is zero where the passenger was forgotten.
func (r *ticketRow) passenger(keys Keyring) (rail.Passenger, error) {
	if r.Personal == nil {
		return rail.Passenger{}, nil
	}
	key := ""
	if r.PersonalKey != nil {
		key = *r.PersonalKey
	}
	return OpenPassenger(keys, r.OrderID, r.N, key, r.Personal)
}

// OpenPassenger opens the passenger of an order's n-th ticket, which counts from 0, as it is in the columns personal
// and personal_key.
func OpenPassenger(keys Keyring, orderID string, n int, key string, sealed []byte) (rail.Passenger, error) {
	text, err := keys.Open(key, sealed, placeOfTicket(orderID, n))
	if err == nil {
		var p rail.Passenger
		if p, err = readPassenger(text); err == nil {
			return p, nil
		}
	}
	const message = "the passenger of ticket %d of the order %s cannot be opened with the key %q: %w"
	return rail.Passenger{}, fmt.Errorf(message, n+1, orderID, key, err)
}

// ErrKeys says that the keyring is not the one that the ledger's passengers are sealed with.
var ErrKeys = errors.New("ledger: the keys of personal data do not fit")

// keyRow is a row of personal_keys.
type keyRow struct {
	id      string
	check   []byte
	retired sql.NullInt64
}

// CheckKeys holds the keyring against the keys that passengers were sealed with, and notes the first of the ring, so
// that other servers hear of it. What others note later is found by asking again. ErrKeys: a key is missing, or is
// another one of the same id. Nothing is sealed before this was nil once.
func (l *Ledger) CheckKeys(ctx context.Context) error {
	noted, err := l.keysFit(ctx)
	if err == nil && !noted {
		var duplicate *ledger.DuplicateError
		if err = l.noteKey(ctx); errors.As(err, &duplicate) {
			_, err = l.keysFit(ctx) // Another server was faster: its key is held against ours.
		}
	}
	if err == nil {
		l.sealing.Store(true)
	}
	return err
}

// KeysFit is CheckKeys without a note of the key: nothing may be sealed after it.
func (l *Ledger) KeysFit(ctx context.Context) error {
	_, err := l.keysFit(ctx)
	return err
}

// keysFit tells whether the key that seals is noted.
func (l *Ledger) keysFit(ctx context.Context) (noted bool, err error) {
	p, err := l.primary()
	if err != nil {
		return false, err
	}
	var rows []keyRow
	err = mysqlcluster.EachRow(ctx, p.background.sql, l.options.StatementTimeout,
		"SELECT id, check_value, retired_at FROM personal_keys", nil, func(r *sql.Rows) error {
			var row keyRow
			err := r.Scan(&row.id, &row.check, &row.retired)
			rows = append(rows, row)
			return err
		})
	if err != nil {
		return false, l.failed(p, err)
	}
	keys := l.options.Keyring.Keys()
	for _, row := range rows {
		if !slices.Contains(keys, row.id) {
			if row.retired.Valid {
				continue
			}
			return false, fmt.Errorf("%w: passengers are sealed with the key %s, and it is not among %s", ErrKeys,
				row.id, strings.Join(keys, ", "))
		}
		text, err := l.options.Keyring.Open(row.id, row.check, placeOfKey(row.id))
		if err != nil || string(text) != row.id {
			return false, fmt.Errorf("%w: the key %s is another one than passengers are sealed with", ErrKeys, row.id)
		}
		noted = noted || row.id == keys[0] && !row.retired.Valid
	}
	return noted, nil
}

// noteKey notes the key that seals.
func (l *Ledger) noteKey(ctx context.Context) error {
	p, err := l.primary()
	if err != nil {
		return err
	}
	t, err := l.write(ctx, p.publisher())
	if err != nil {
		return err
	}
	defer t.end()
	if err := t.checkPrimary(ctx); err != nil {
		return definite(err)
	}
	id := l.options.Keyring.Keys()[0]
	changed, err := t.exec(ctx,
		"UPDATE personal_keys SET retired_at = NULL WHERE id = ? AND retired_at IS NOT NULL", id)
	if err == nil && changed == 0 {
		// Sealed with the first key, which is the one.
		_, check := l.options.Keyring.Seal([]byte(id), placeOfKey(id))
		_, err = t.exec(ctx, "INSERT INTO personal_keys (id, check_value, since) VALUES (?, ?, "+
			t.pool.dialect.now()+")", id, check)
	}
	if err != nil {
		return definite(err)
	}
	return t.commit(ctx)
}

// maySeal is nil where the keyring was held against the ledger's keys.
func (l *Ledger) maySeal(ctx context.Context) error {
	if l.sealing.Load() {
		return nil
	}
	err := l.CheckKeys(ctx)
	if errors.Is(err, ErrKeys) {
		return unavailable("this server's keys are being replaced", err)
	}
	if errors.Is(err, ledger.ErrInDoubt) {
		// The text alone: this is in doubt of no order.
		return unavailable("it is not known yet whether this server's key is noted", errors.New(err.Error()))
	}
	return err
}
