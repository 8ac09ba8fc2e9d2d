package ledger

import (
	"time"

	"interlock/services/rail"
)

// AuditSnapshot is all that is written of one run at one moment, as it is written, for an audit. It has no names and no
// document numbers of passengers.
type AuditSnapshot struct {
	// ID is the run's. Missing tells that the run has orders or tickets and no row. Run is nil in that case, and where
	// the row makes no sense. Problem says why.
	ID      rail.RunID
	Missing bool
	Run     *rail.Run
	Problem error
	Version int64
	// Now is the primary's clock.
	Now time.Time
	// Row is what Run does not show of the run's row.
	Row RunRow
	// Maps has the sold bits of each class with at least one sale ever. The changes after the maps are in them.
	Maps map[rail.SeatClass][]byte
	// Orders are all that the run ever had, in the order of their ids.
	Orders []*WrittenOrder
	// Personal is what is wrong with the orders' passengers. Keys are the ids of the keys that passengers are sealed
	// with.
	Personal []PersonalDefect
	Keys     []string
}

// Live are the orders that have their seats: on hold or paying (past their time but not swept included), or paid.
func (b *AuditSnapshot) Live() []*WrittenOrder {
	var live []*WrittenOrder
	for _, o := range b.Orders {
		if o.State.Live() {
			live = append(live, o)
		}
	}
	return live
}

// RunRow is what a run's row says beside the run, and what other tables say of the run.
type RunRow struct {
	TrainNumber string
	TouchedAt   time.Time
	// ErasedAt is when the passengers of all its orders were forgotten, zero where they are not.
	ErasedAt time.Time
	// Feed is what the run was imported from.
	Feed Feed
	// Publication is the number of the last publication that changed the run. Did is what it did by the record of
	// publications, "" where the record does not have it. DidFor is the recorded reason.
	Publication int64
	Did, DidFor string
	// ChangesBytes is the size of the changes after the maps by the run's row, CountedBytes their size as counted.
	ChangesBytes, CountedBytes int64
	// MapClasses are the classes that have a map, Changes the versions that have changes after the maps.
	MapClasses []rail.SeatClass
	Changes    []int64
	// Withdrawals are when the run was withdrawn, by the record.
	Withdrawals []time.Time
}

// WrittenOrder is an order as its row says.
type WrittenOrder struct {
	// Order has the state that is written: ON_HOLD and PAYING also for an order past its time. Its tickets name no
	// passengers.
	rail.Order
	// Missing tells that there are tickets and no order. Only the id is set then.
	Missing bool
	// Train is that of TrainID, nil where it cannot be read.
	Train *rail.Train
	Key   string
	// BodyHash is the keyed digest of the request.
	BodyHash    string
	PayAttempts int64
	// Corrections is how many corrections of it are recorded.
	Corrections int64
	// PlacedVersion and EndedVersion are the run's versions at which the seats were taken and given back. EndedVersion
	// is 0 while the order has its seats.
	PlacedVersion, EndedVersion int64
	// Numbers and Documents have an entry for each ticket: its number within the order, and the keyed digest of its
	// document.
	Numbers   []int64
	Documents []string
	// TicketEnded has for each ticket the run's version at which it gave its seat back by itself: refunded or changed.
	// It is 0 for one that did not; such a ticket ends with its order, at EndedVersion.
	TicketEnded []int64
}

// OrderPayment is how an order stands to its payment, as its row says.
type OrderPayment struct {
	State rail.OrderState
	// Payment is the id of the payment that it is or was PAYING or PAID by, "" where there is none.
	Payment string
	// Paid tells that it was paid, whatever became of it since.
	Paid bool
}

// WrittenTrain is a row of trains. Train is nil where it cannot be read, and Problem says why.
type WrittenTrain struct {
	ID      string
	Train   *rail.Train
	Problem error
}

// WrittenFormation is a row of formations. Formation is nil where it cannot be read, and Problem says why.
type WrittenFormation struct {
	ID        string
	Formation *rail.Formation
	Problem   error
}

// WrittenStation is a row of stations. Station is nil where it cannot be read, and Problem says why. Did is what the
// record says that its publication did, "" where the record does not have it.
type WrittenStation struct {
	Code    rail.StationCode
	Station *rail.Station
	Problem error
	// Feed is the feed that the station belongs to, "" where a person published it.
	Feed        string
	Publication int64
	Did         string
}

// WrittenPublication is a row of publications, and what the runs it names say of it.
type WrittenPublication struct {
	Number int64
	At     time.Time
	// Now is the primary's clock.
	Now time.Time
	Did string
	// Runs is how many runs it names. Unknown are runs among them that do not exist, Behind runs that have a lower
	// number; at most MaxNamed each.
	Runs            int
	Unknown, Behind []rail.RunID
	// Last is how many of the runs it names have its number, Claimed how many of all runs have.
	Last, Claimed int
}

// MaxNamed is how many of a kind are named where a row has many. They have one cause.
const MaxNamed = 10

// What a publication did.
const (
	DidStations = "STATIONS"
	// DidFeedStations: it added or changed stations of a feed.
	DidFeedStations = "FEED_STATIONS"

	DidPublish  = "PUBLISH"
	DidSuspend  = "SUSPEND"
	DidResume   = "RESUME"
	DidWithdraw = "WITHDRAW"
	// DidDrop: it withdrew or suspended runs that their feed no longer has.
	DidDrop = "DROP"
)

// Stray is a row of a run that does not exist.
type Stray struct {
	Table string
	RunID rail.RunID
}

// WrittenOutboxRow is a row of the outbox, and beside it the run and the orders that its events are about.
type WrittenOutboxRow struct {
	OutboxRow
	// Now is the primary's clock.
	Now time.Time
	// RunVersion and RunStatus are the run's; 0 and "" where there is no such run.
	RunVersion int64
	RunStatus  rail.RunStatus
	// Orders are those that exist, by their ids.
	Orders map[string]*OrderCourse
}

// OrderCourse is what became of an order.
type OrderCourse struct {
	Version int64
	State   rail.OrderState
	Paid    bool
	// PlacedRunVersion and EndedRunVersion are the versions of the run at which its seats were taken, and given back; 0
	// where they were not.
	PlacedRunVersion, EndedRunVersion int64
}

// WrittenAsked counts rows of asked_documents by what is wrong with them, at the primary's clock.
type WrittenAsked struct {
	// Nameless have no buyer or no document. Ahead have a time in the future. Old should have been forgotten.
	Nameless, Ahead, Old int
}

// WrittenRecord is a row of order_records that is not as it should be.
type WrittenRecord struct {
	RunID   rail.RunID
	OrderID string
	Version int64
	At      time.Time
	What    string
	// OrderVersion is the order's, 0 where there is none.
	OrderVersion int64
	// Now is the primary's clock.
	Now time.Time
}

// WrittenCluster is what the ledger says of its own cluster. It is zero where there is one server only.
type WrittenCluster struct {
	// Rows is how many rows cluster has. Epoch, Primary and OpenedAt are of the one with the id 1.
	Rows     int
	Epoch    int64
	Primary  string
	OpenedAt time.Time
	Members  []WrittenMember
	// Now is the primary's clock.
	Now time.Time
}

// WrittenMember is a row of cluster_members.
type WrittenMember struct {
	Member, State, Server string
	Since                 time.Time
}

// PersonalDefect says that a passenger is not kept, or not forgotten, as promised.
type PersonalDefect struct {
	// OrderID, OrderNumber and Ticket name the passenger. Ticket counts from 1.
	OrderID, OrderNumber string
	Ticket               int
	// Problem shows nothing of the passenger.
	Problem string
}

// BuyerRun is a run that a buyer has orders of.
type BuyerRun struct {
	Run rail.RunID
	// Orders is how many the buyer has on it, Passengers how many of them still have their passengers.
	Orders, Passengers int
	// Over says that the run has reached its last call.
	Over bool
}
