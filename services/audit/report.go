package audit

import (
	"fmt"

	"interlock/services/rail"
)

// The checks of Verify.
const (
	// CheckRun: a run's row is not what its train, its id or the record of publications says.
	CheckRun = "run"
	// CheckOverlap: two tickets had one seat on one leg at the same time.
	CheckOverlap = "overlap"
	// CheckTicket: a ticket is for a seat or calls that its train does not have.
	CheckTicket = "ticket"
	// CheckMap: a seat map is not what the live tickets say.
	CheckMap = "map"
	// CheckCapacity: sold and free do not add up to the seats of a class.
	CheckCapacity = "capacity"
	// CheckPersonal: a passenger cannot be read, is missing and not marked as erased, or is still there though erased.
	CheckPersonal = "personal"
	// CheckMoney: a ticket does not cost its fare, or an order not what its tickets cost.
	CheckMoney = "money"
	// CheckDocument: two tickets had one document on one leg at the same time.
	CheckDocument = "document"
	// CheckOrder: an order's row is not one of its run, or says nothing.
	CheckOrder = "order"
	// CheckState: an order's state is not what its times, its keys and its run say.
	CheckState = "state"
	// CheckOverdue: a hold is long past its time, and still has its seats.
	CheckOverdue = "overdue"
	// CheckVersion: a run's version is below that of its own orders or changes, or an order's does not fit what became
	// of it.
	CheckVersion = "version"
	// CheckOrphan: a row belongs to something that is not there.
	CheckOrphan = "orphan"
	// CheckTrain: a train or formation is not what its id says, or could not be sold.
	CheckTrain = "train"
	// CheckStation: a station is not what its code says, or is missing.
	CheckStation = "station"
	// CheckPublication: the record of publications has gaps, goes back, or is not what runs say.
	CheckPublication = "publication"
	// CheckAsked: what is remembered of asked documents says nothing, or should be forgotten.
	CheckAsked = "asked"
	// CheckRecord: what is recorded of what an admin did to an order is not as it should be.
	CheckRecord = "record"
	// CheckEvent: an event that waits to be told, or to be acknowledged, is not what became of its order or its run.
	CheckEvent = "event"
	// CheckPayment: the money of a payment does not add up, or its state, its times and its order do not agree.
	CheckPayment = "payment"
	// CheckRefund: a refund is not what its tickets cost, or a ticket that was given back is not in exactly one.
	CheckRefund = "refund"
	// CheckChange: a change and its ticket, or the order that the ticket was changed to, do not agree.
	CheckChange = "change"
	// CheckCluster: the record of the cluster contradicts itself.
	CheckCluster = "cluster"
	// CheckRedis: Redis is not what the ledger says at the same version, or stays behind it.
	CheckRedis = "redis"
)

// maxDefects bounds a report: a thousand defects have one cause.
const maxDefects = 1_000

// Defect is one promise that does not hold. It names no passenger.
type Defect struct {
	Check string `json:"check"`
	// Run, Order (its id), Coach and Seat are empty where the defect is not of one.
	Run   rail.RunID `json:"run"`
	Order string     `json:"order,omitempty"`
	Coach string     `json:"coach"`
	Seat  string     `json:"seat"`
	// Row names a row of another table, "station BJP".
	Row     string `json:"row,omitempty"`
	Message string `json:"message"`
}

// Report is what Verify found.
type Report struct {
	OK bool `json:"ok"`
	// Runs are those with a row, Tickets those that are live.
	Runs    int `json:"runs"`
	Tickets int `json:"tickets"`
	// Payments are those of a service of its own; 0 where there is none.
	Payments int `json:"payments,omitempty"`
	// Refunds are all that were decided. RefundsUnderWay are those among them whose money is not back after a minute:
	// it is tried until it is, so that none of them is a defect.
	Refunds         int      `json:"refunds,omitempty"`
	RefundsUnderWay int      `json:"refundsUnderWay,omitempty"`
	Defects         []Defect `json:"defects"`
	// More is how many more there are than Defects has room for.
	More int `json:"more,omitempty"`
}

func (r *Report) add(d Defect) {
	r.OK = false
	if len(r.Defects) < maxDefects {
		r.Defects = append(r.Defects, d)
	} else {
		r.More++
	}
}

// row adds a defect of a row that is of no run.
func (r *Report) row(check, row, format string, arguments ...any) {
	r.add(Defect{Check: check, Row: row, Message: fmt.Sprintf(format, arguments...)})
}
