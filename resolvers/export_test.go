package resolvers

import "interlock/services/rail"

// What the tests of this package look at from outside.
var (
	EncodeID    = encodeID
	DecodeID    = decodeID
	SplitTicket = splitTicket
	TicketID    = ticketID
	ListOf      = listOf
)

// Seal and Open are the cursors' two ends.
func (c Cursors) Seal(list list, place any) string { return c.seal(list, place) }

// Open reads what Seal made.
func (c Cursors) Open(list list, cursor *string, place any) (bool, error) {
	return c.open(list, cursor, place)
}

// ViewerID is the id that a server with a key gives a subject.
func ViewerID(key, subject string) string {
	return (&Resolver{ViewerKey: []byte(key)}).viewerID(&rail.Viewer{Subject: subject})
}

// Lengths are the bounds of all lists, Cost what a field costs.
var (
	Lengths = lengths
	Cost    = cost
)

// Usual is the length that costs count.
func (l length) Usual() int { return l.usual }

// Most is the bound.
func (l length) Most() int { return l.most }

// Why is what keeps the list below it.
func (l length) Why() string { return l.why }
