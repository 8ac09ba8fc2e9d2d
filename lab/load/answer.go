package load

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"
)

// Outcome is what became of a request.
type Outcome uint8

// The outcomes.
const (
	// Placed: a new order with its tickets.
	Placed Outcome = iota
	// SoldOut: nothing is left. Package sell judges whether that was true.
	SoldOut
	// Refused: any other refusal. The load gives no reason for one.
	Refused
	// Overloaded: come again.
	Overloaded
	// Pending: not known yet; the same key will tell.
	Pending
	// Unavailable: nothing was ordered.
	Unavailable
	// Broken: no answer, or one that makes no sense.
	Broken
	outcomes
)

// outcomeNames are for reports.
var outcomeNames = [outcomes]string{"placed", "sold_out", "refused", "overloaded", "pending", "unavailable", "broken"}

func (o Outcome) String() string { return outcomeNames[o] }

// number is an order's number for people.
type number [12]byte

// answer is what a buyer reads in an answer.
type answer struct {
	outcome Outcome
	number  number
	// told is a digest of the seat the buyer was told.
	told       uint64
	retryAfter time.Duration
	// problem says what is wrong with an answer that makes no sense.
	problem string
}

var (
	numberField = []byte(`"order":{"number":"`)
	coachField  = []byte(`"tickets":[{"coach":"`)
	seatField   = []byte(`"seat":"`)
	errorsField = []byte(`{"errors":[`)
	codeField   = []byte(`"code":"`)
	retryField  = []byte(`"retryAfterMs":`)
)

// read finds in an answer what counts. The order of the fields is that of orderDocument.
func read(status int, body []byte) answer {
	if n, rest := after(body, numberField); n != nil {
		coach, rest := after(rest, coachField)
		seat, _ := after(rest, seatField)
		if coach == nil || seat == nil || len(n) != len(number{}) {
			return answer{outcome: Broken, problem: fmt.Sprintf("an order without a ticket: %.300s", body)}
		}
		return answer{outcome: Placed, number: number(n), told: Told(coach, seat)}
	}
	code, _ := after(body, codeField)
	a := answer{outcome: Broken}
	switch string(code) {
	case "SOLD_OUT":
		a.outcome = SoldOut
	case "OVERLOADED":
		a.outcome = Overloaded
	case "ORDER_PENDING":
		a.outcome = Pending
	case "UNAVAILABLE":
		a.outcome = Unavailable
	default:
		if len(code) > 0 && !bytes.HasPrefix(body, errorsField) {
			a.outcome = Refused
		}
		a.problem = fmt.Sprintf("%d: %.300s", status, body)
	}
	if at := bytes.Index(body, retryField); at >= 0 {
		digits := body[at+len(retryField):]
		end := bytes.IndexAny(digits, ",} ")
		if n, err := strconv.Atoi(string(digits[:max(end, 0)])); err == nil {
			a.retryAfter = time.Duration(n) * time.Millisecond
		}
	}
	return a
}

// after is the text between a field's quotes, and what follows it; nil without the field.
func after(b, field []byte) (value, rest []byte) {
	at := bytes.Index(b, field)
	if at < 0 {
		return nil, nil
	}
	b = b[at+len(field):]
	end := bytes.IndexByte(b, '"')
	if end < 0 {
		return nil, nil
	}
	return b[:end], b[end:]
}

// Told digests a seat, so that the journal can remember a million of them.
func Told(coach, seat []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(coach) // a hash never fails
	_, _ = h.Write([]byte{'/'})
	_, _ = h.Write(seat)
	return h.Sum64()
}
