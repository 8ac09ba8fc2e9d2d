package sqlledger

import (
	"slices"

	"interlock/services/ledger"
)

// addPassenger checks the passenger of an order's ticket: one that was not forgotten can be read, one that was
// forgotten is gone. It adds to the snapshot what is wrong, and the key. A run that cannot be read is left out: whether
// it is over is unknown.
func (t *transaction) addPassenger(b *ledger.AuditSnapshot, o *ledger.WrittenOrder, k *writtenTicket) {
	if k.key != nil && !slices.Contains(b.Keys, *k.key) {
		b.Keys = append(b.Keys, *k.key)
	}
	if b.Run == nil || o.Missing || len(b.Run.Train.Calls) == 0 {
		return
	}
	if problem := k.problem(b, o, &t.l.options); problem != "" {
		b.Personal = append(b.Personal, ledger.PersonalDefect{
			OrderID: o.ID, OrderNumber: o.Number,
			Ticket: int(k.n) + 1, Problem: problem,
		})
	}
}

// problem is what is wrong with a passenger, "" for nothing.
func (k *writtenTicket) problem(b *ledger.AuditSnapshot, o *ledger.WrittenOrder, options *Options) string {
	erased := !o.ErasedAt.IsZero()
	switch {
	case erased && (k.personal != nil || k.key != nil):
		return "the order was erased, and its passenger is still there"
	case erased && k.document != "":
		return "the order was erased, and the digest of its document is still there"
	case erased && o.BodyHash != "":
		return "the order was erased, and the digest of its request is still there"
	case erased && !isOver(b.Run, o.ErasedAt):
		return "the order was erased before its run was over"
	case erased:
		return ""
	case k.personal == nil:
		return "the passenger is missing, and the order was not erased"
	case !b.Row.ErasedAt.IsZero():
		return "the passengers of the run were forgotten, and this one is still there"
	case o.BodyHash == "":
		return "the digest of the request is missing, and the order was not erased"
	}
	row := ticketRow{OrderID: k.order, N: int(k.n), Personal: k.personal, PersonalKey: k.key}
	who, err := row.passenger(options.Keyring)
	if err != nil {
		return "the passenger cannot be opened: its key is not there, or the row was changed or moved"
	}
	// Where there is no digest at all, the document is said to have none.
	if digest := options.DocumentDigest; digest != nil && k.document != "" && k.document != digest(who.DocumentNumber) {
		return "the digest of the document is another number's, or was made with another key"
	}
	return ""
}
