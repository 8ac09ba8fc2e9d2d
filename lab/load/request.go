package load

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
)

// orderDocument asks for what a web frontend shows after a purchase.
const orderDocument = `mutation Buy($i:PlaceOrderInput!){placeOrder(input:$i){order{number state payBy total{amount ` +
	`currencyCode} tickets{coach seat seatClass price{amount}}} userErrors{code message path}}}`

// Trip is what a buyer asks for: from a call to a later one, in one of Classes.
type Trip struct{ From, To, Class int }

// RandomTrip is between any two calls, in any class.
func RandomTrip(random *rand.Rand) Trip {
	from, to := random.IntN(Calls), random.IntN(Calls-1)
	if to >= from {
		to++
	} else {
		from, to = to, from
	}
	return Trip{from, to, random.IntN(len(Classes))}
}

// NewKey is a new idempotency key. It has the document's number in it, and each document has one key only.
func NewKey(random *rand.Rand, document uint64) (key [16]byte) {
	binary.BigEndian.PutUint64(key[:8], random.Uint64())
	binary.BigEndian.PutUint64(key[8:], document)
	return key
}

// request builds a buyer's requests, each in the same buffer.
type request struct {
	head []byte // up to the token
	body []byte
	all  []byte
}

func newRequest(server string) *request {
	return &request{head: []byte("POST /graphql HTTP/1.1\r\nHost: " + server +
		"\r\nContent-Type: application/json\r\nAccept: application/json\r\n" +
		"User-Agent: lab\r\nAuthorization: Bearer ")}
}

// stations are the codes, made once.
var stations = func() (codes [Calls]string) {
	for n := range codes {
		codes[n] = StationCode(n)
	}
	return codes
}()

// order is a request for one passenger with a key and a document of its own.
func (r *request) order(token string, run *Run, t Trip, key [16]byte, document uint64, random *rand.Rand) []byte {
	b := append(r.body[:0], `{"query":"`+orderDocument+`","operationName":"Buy",`...)
	b = append(b, `"variables":{"i":{"idempotencyKey":"`...)
	b = hex.AppendEncode(b, key[:])
	b = append(b, `","runId":"`...)
	b = append(b, run.ID...)
	b = append(b, `","from":"`...)
	b = append(b, stations[t.From]...)
	b = append(b, `","to":"`...)
	b = append(b, stations[t.To]...)
	b = append(b, `","passengers":[{"name":"`...)
	b = AppendName(b, random)
	b = append(b, `","documentNumber":"`...)
	b = AppendDocument(b, document)
	b = append(b, `","seatClass":"`...)
	b = append(b, Classes[t.Class]...)
	b = append(b, `"}]}}}`...)
	r.body = b
	all := append(append(append(r.all[:0], r.head...), token...), "\r\nContent-Length: "...)
	all = strconv.AppendInt(all, int64(len(b)), 10)
	all = append(all, headerEnd...)
	r.all = append(all, b...)
	return r.all
}
