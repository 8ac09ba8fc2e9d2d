package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// Channel is how a delivery goes out.
type Channel string

// The channels.
const (
	Mail    Channel = "MAIL"
	Webhook Channel = "WEBHOOK"
)

// Kind is what a mail is about. A webhook's kind is the type of its event.
type Kind string

// The kinds of mails.
const (
	// Paid: the order is paid, and here are its tickets.
	Paid Kind = "paid"
	// Refunded: tickets were given back, and their money follows.
	Refunded Kind = "refunded"
	// Withdrawn: the run was withdrawn, and the money follows.
	Withdrawn Kind = "withdrawn"
	// Suspended and Resumed are of the order's run.
	Suspended Kind = "suspended"
	Resumed   Kind = "resumed"
	// Resent: here are the tickets again, as was asked for.
	Resent Kind = "resent"
)

// Kinds are all kinds of mails.
var Kinds = []Kind{Paid, Refunded, Withdrawn, Suspended, Resumed, Resent}

// State is how far a delivery is.
type State string

// The states. Only Pending is not final.
const (
	// Pending: it is to be delivered.
	Pending State = "PENDING"
	// Sent: the receiver has taken it.
	Sent State = "SENT"
	// Refused: the receiver will never take it.
	Refused State = "REFUSED"
	// GivenUp: it was tried for as long as it is worth.
	GivenUp State = "GIVEN_UP"
	// Skipped: there is nothing to say any more, or no address to say it to.
	Skipped State = "SKIPPED"
)

// States are all states.
var States = []State{Pending, Sent, Refused, GivenUp, Skipped}

// Delivery is one thing to be told to one receiver. It has ids only, and nothing of a person.
type Delivery struct {
	// ID is 64 hexadecimal digits. It follows from what is told to whom, so that an event that comes again makes no
	// second delivery. It is the mail's Message-ID and the webhook's webhook-id.
	ID      string
	Channel Channel
	// Kind is one of Kinds, or the type of a webhook's event.
	Kind Kind
	// Endpoint is where a webhook goes, "" for mails.
	Endpoint string
	// OrderID is the order's, "" for a webhook about a run. Subject is the version of what it is about, of the order or
	// of the run, by which doubles are told.
	OrderID string
	RunID   rail.RunID
	Subject int64
	// At is when what it tells of took place.
	At    time.Time
	State State
	// Version rises by one with every change.
	Version int64
	// Tries is how often it was tried.
	Tries int
	// Due is when it is to be tried again; zero once it has ended.
	Due time.Time
	// Answer is the last answer's code, of SMTP or HTTP; 0 where there was none. Reason says in a word or two what went
	// wrong last: never what a receiver wrote.
	Answer    int
	Reason    string
	CreatedAt time.Time
	ChangedAt time.Time
}

// deliveryID is the same whenever the same is to be told to the same receiver.
func deliveryID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:])
}

// newMail is a mail about an order.
func newMail(kind Kind, orderID string, subject int64, at time.Time, more ...string) Delivery {
	run, _ := rail.RunOfOrder(orderID)
	id := deliveryID(append([]string{"mail", string(kind), orderID, strconv.FormatInt(subject, 10)}, more...)...)
	return Delivery{
		ID: id, Channel: Mail, Kind: kind, OrderID: orderID, RunID: run, Subject: subject, At: at, State: Pending,
	}
}

// newWebhook is a webhook about an event.
func newWebhook(e *ledger.Event, endpoint string) Delivery {
	return Delivery{
		ID: deliveryID("webhook", endpoint, e.ID()), Channel: Webhook, Kind: Kind(e.Type), Endpoint: endpoint,
		OrderID: e.OrderID, RunID: e.RunID, Subject: e.Version(), At: e.Time, State: Pending,
	}
}

// ended tells whether nothing more is to be done.
func (d *Delivery) ended() bool { return d.State != Pending }
