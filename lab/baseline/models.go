package baseline

// The tables are the ledger's own, with all their indexes; these are the columns that an order needs.

type run struct {
	ID      string `gorm:"primaryKey"`
	TrainID string
	Status  string
	Version int64
}

type seatMap struct {
	RunID     string `gorm:"primaryKey"`
	SeatClass string `gorm:"primaryKey"`
	Sold      []byte
}

type order struct {
	RunID          string `gorm:"primaryKey"`
	ID             string `gorm:"primaryKey"`
	Number         string
	Buyer          string
	IdempotencyKey string
	BodyHash       string
	Version        int64
	State          string
	StateReason    string
	TrainID        string
	FromCall       int
	ToCall         int
	TotalMinor     int64
	Currency       string
	PlacedAt       int64
	PayBy          int64
	PayAttempts    int
	// PlacedRunVersion is the version that was read: no order here moves it on, as a lock keeps the others out.
	PlacedRunVersion int64
}

type ticket struct {
	RunID      string `gorm:"primaryKey"`
	OrderID    string `gorm:"primaryKey"`
	N          int    `gorm:"primaryKey"`
	SeatClass  string
	SeatIndex  int
	Coach      string
	Seat       string
	PriceMinor int64
	Currency   string
	// Personal is the passenger in clear: a baseline seals nothing.
	Personal []byte
	Document string
}
