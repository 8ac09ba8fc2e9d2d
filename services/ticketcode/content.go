package ticketcode

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"interlock/services/rail"
)

// The content of a code, in bytes. A number is an unsigned varint (as in Protocol Buffers), a text is its length in
// bytes, as a number, and itself in UTF-8.
//
//	1   the version of the format, 1
//	4   the id of the key: the first bytes of the SHA-256 of the public key
//	    the train's number, as in the run's id: a text
//	    the run's date: a number, days since 1970-01-01
//	    the rest of the order's id behind the run's id and the slash: see appendTail
//	    the ticket's place in the order; the positions of the two calls, the second as legs travelled: three numbers
//	    the codes of the two stations, the coach, the seat: four texts
//	4   the last characters of the document's number
//	    when it begins to be valid, in minutes since 1970, and for how many minutes it is: two numbers
//	64  an Ed25519 signature (RFC 8032) of all before it, with domain before that
const (
	version    = 1
	idBytes    = 4
	headBytes  = 1 + idBytes
	maxNumber  = 160 // It is part of a run's id, which has at most 160 bytes.
	maxVarint  = binary.MaxVarintLen32 + 1
	textBytes  = 4 // A character has at most so many.
	maxContent = headBytes + (2 + maxNumber) + maxVarint + (1 + rail.MaxOrderIDTail) + 3*2 +
		2*(2+textBytes*maxCode) + 2*(1+textBytes*maxLabel) + TailLength + 2*maxVarint + ed25519.SignatureSize
	// minContent is shorter than every ticket, and long enough to be taken apart.
	minContent = headBytes + ed25519.SignatureSize
)

// domain keeps a signature of a ticket from being one of anything else that a key might sign.
const domain = "interlock ticket code 1\x00"

// tailAlphabet is that of the ids that orders are given, five bits a character (rail.NewOrderID). Behind the version
// an id could have other characters, too.
const tailAlphabet = "0123456789abcdefghijklmnopqrstuv"

const tailBits = 5

// signed is what the signature of a content is of.
func signed(content []byte) []byte { return append([]byte(domain), content...) }

// appendTicket appends what a valid ticket says.
func appendTicket(b []byte, t Ticket) []byte {
	run := string(t.RunID)
	b = appendText(b, run[:strings.LastIndexByte(run, '@')])
	b = binary.AppendUvarint(b, uint64(t.RunID.Date()))
	b = appendTail(b, t.OrderID[len(run)+1:])
	b = binary.AppendUvarint(b, uint64(t.Index))
	b = binary.AppendUvarint(b, uint64(t.From))
	b = binary.AppendUvarint(b, uint64(t.To-t.From))
	for _, text := range []string{t.FromStation, t.ToStation, t.Coach, t.Seat} {
		b = appendText(b, text)
	}
	b = append(b, t.DocumentTail...)
	from, until := t.ValidFrom.Unix()/60, t.ValidUntil.Unix()/60
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(from)), uint64(until-from))
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// appendTail appends the rest of an order's id: a number, twice the count of its characters, and one more where they
// are all of tailAlphabet. Those are then packed, five bits each, with zeros behind; others are bytes.
func appendTail(b []byte, tail string) []byte {
	if strings.Trim(tail, tailAlphabet) != "" {
		return append(binary.AppendUvarint(b, uint64(len(tail))<<1), tail...)
	}
	b = binary.AppendUvarint(b, uint64(len(tail))<<1|1)
	bits, held := 0, 0
	for i := range len(tail) {
		bits, held = bits<<tailBits|strings.IndexByte(tailAlphabet, tail[i]), held+tailBits
		if held >= 8 {
			held -= 8
			b = append(b, byte(bits>>held))
		}
	}
	if held > 0 {
		b = append(b, byte(bits<<(8-held)))
	}
	return b
}

// errContent says that bytes are not a ticket's.
var errContent = errors.New("its content is not a ticket's")

// parseTicket reads what appendTicket has appended to nothing. Each ticket has one form, and any other is refused.
func parseTicket(b []byte) (Ticket, error) {
	r := reader{left: b}
	number, date, tail := r.text(maxNumber), r.number(), r.tail()
	t := Ticket{Index: r.int(), From: r.int()}
	t.To = t.From + r.int()
	t.FromStation, t.ToStation = r.text(textBytes*maxCode), r.text(textBytes*maxCode)
	t.Coach, t.Seat = r.text(textBytes*maxLabel), r.text(textBytes*maxLabel)
	t.DocumentTail = string(r.take(TailLength))
	from, minutes := int64(r.number()), int64(r.number())
	if r.failed || len(r.left) > 0 {
		return Ticket{}, errContent
	}
	t.RunID = rail.RunID(number + "@" + rail.Date(date).String())
	t.OrderID = string(t.RunID) + "/" + tail
	t.ValidFrom = time.Unix(from*60, 0).UTC()
	t.ValidUntil = time.Unix((from+minutes)*60, 0).UTC()
	if t.validate() != nil || !bytes.Equal(appendTicket(nil, t), b) {
		return Ticket{}, errContent
	}
	return t, nil
}

// reader takes a content apart. Once something has failed, all that is read is empty.
type reader struct {
	left   []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if r.failed || n > len(r.left) {
		r.failed = true
		return nil
	}
	taken := r.left[:n]
	r.left = r.left[n:]
	return taken
}

// maxMinutes is more than any number of a content: the minutes from 1970 to 10000 are 4.2 billion.
const maxMinutes = 1 << 32

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.left)
	if r.failed || size <= 0 || n > maxMinutes {
		r.failed = true
		return 0
	}
	r.left = r.left[size:]
	return n
}

// maxInt is more than any position, index or length.
const maxInt = 1 << 10

func (r *reader) int() int {
	n := r.number()
	if n > maxInt {
		r.failed = true
		return 0
	}
	return int(n)
}

func (r *reader) text(most int) string {
	n := r.int()
	if n > most {
		r.failed = true
	}
	return string(r.take(n))
}

// tail reads what appendTail has appended.
func (r *reader) tail() string {
	n := r.int()
	packed := n&1 == 1
	n >>= 1
	if n > rail.MaxOrderIDTail {
		r.failed = true
	}
	if !packed {
		return string(r.take(n))
	}
	b := r.take((n*tailBits + 7) / 8)
	if r.failed {
		return ""
	}
	tail := make([]byte, 0, n)
	bits, held := 0, 0
	for _, eight := range b {
		bits, held = bits<<8|int(eight), held+8
		for held >= tailBits && len(tail) < n {
			held -= tailBits
			tail = append(tail, tailAlphabet[bits>>held&(len(tailAlphabet)-1)])
		}
		bits &= 1<<held - 1
	}
	return string(tail)
}
