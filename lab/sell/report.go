package sell

import (
	"time"

	"interlock/lab/load"
	"interlock/lab/seats"
	"interlock/services/audit"
)

// Report is the one document that `lab sell` prints. What is nil was not asked for.
type Report struct {
	StartedAt time.Time         `json:"started_at"`
	Command   string            `json:"command"`
	Machine   Machine           `json:"machine"`
	Versions  map[string]string `json:"versions"`
	Seed      uint64            `json:"seed"`
	Rounds    int               `json:"rounds"`
	Seconds   float64           `json:"seconds"`

	Hot64       *Hot         `json:"hot_64,omitempty"`
	Hot1024     *Hot         `json:"hot_1024,omitempty"`
	FourServers *FourServers `json:"four_servers,omitempty"`
	Zipf100     *Zipf        `json:"zipf_100,omitempty"`
	SingleBuyer *SingleBuyer `json:"single_buyer,omitempty"`
	SellsOut    *SellsOut    `json:"sells_out,omitempty"`
	// Buyers is throughput against buyers, Offered latency against offered load.
	Buyers   []*load.Result `json:"buyers,omitempty"`
	Offered  []*load.Result `json:"offered,omitempty"`
	Overload *Overload      `json:"overload,omitempty"`
	Baseline *Baseline      `json:"baseline,omitempty"`
	Ceiling  *Ceiling       `json:"ceiling,omitempty"`

	// Seats is what the choice of seats is worth: a season in memory, shorter than that of `lab seats`.
	Seats *seats.Report `json:"seats,omitempty"`

	// Acknowledged is how many orders buyers were told of, over everything, measured or not.
	Acknowledged   int `json:"acknowledged"`
	DoubleSold     int `json:"double_sold"`
	Lost           int `json:"lost"`
	WronglyRefused int `json:"wrongly_refused"`
	// UndecidedRefusals had a seat free at the question and none at the answer: which of both it was at the version of
	// the refusal cannot be told.
	UndecidedRefusals int            `json:"undecided_refusals"`
	Verify            *audit.Report  `json:"verify,omitempty"`
	Problems          map[string]int `json:"problems,omitempty"`
	SubscriberEvents  int            `json:"subscriber_events"`
	TookSeconds       float64        `json:"took_seconds"`
}

// OK tells whether every promise held.
func (r *Report) OK() bool {
	return r.DoubleSold == 0 && r.Lost == 0 && r.WronglyRefused == 0 && (r.Verify == nil || r.Verify.OK)
}

// Hot is one run and a fixed number of buyers: the median of each figure over the rounds, and each round.
type Hot struct {
	*load.Result
	RatioToBaseline float64 `json:"ratio_to_baseline,omitempty"`
	RatioToCeiling  float64 `json:"ratio_to_ceiling,omitempty"`
	// RatioToCeilingBeside is against what the best cell came to in the same round.
	RatioToCeilingBeside float64        `json:"ratio_to_ceiling_beside,omitempty"`
	Each                 []*load.Result `json:"rounds"`
}

// FourServers is one run sold by 1, 2 and 4 processes.
type FourServers struct {
	RatioToOne float64 `json:"ratio_to_one"`
	// LeastShareOver5S is the smallest part of its even share that any of the four got over any five seconds.
	LeastShareOver5S float64 `json:"least_share_over_5_s"`
	One              *Hot    `json:"one"`
	Two              *Hot    `json:"two,omitempty"`
	Four             *Hot    `json:"four"`
}

// Zipf is 100 runs of unequal popularity.
type Zipf struct {
	*Hot
	RatioToHot float64 `json:"ratio_to_hot"`
}

// SingleBuyer is a single buyer on an idle system, beside one plain transaction's commit: the median of each figure
// over the rounds, and each round.
type SingleBuyer struct {
	SingleBuyerRound
	Each []SingleBuyerRound `json:"rounds"`
}

// SingleBuyerRound is one round of it. Orders are those of the buyer, in so many seconds. The plain transactions take
// as long.
type SingleBuyerRound struct {
	Orders                int     `json:"orders"`
	Seconds               float64 `json:"seconds"`
	P50Milliseconds       float64 `json:"p50_ms"`
	P99Milliseconds       float64 `json:"p99_ms"`
	CommitP50Milliseconds float64 `json:"commit_p50_ms"`
	CommitP99Milliseconds float64 `json:"commit_p99_ms"`
	// TransactionP50Milliseconds is the plain transaction as a whole, with the statements before its commit.
	TransactionP50Milliseconds float64 `json:"transaction_p50_ms"`
	P50RatioToCommit           float64 `json:"p50_ratio_to_commit"`
}

// SellsOut is a run that is sold to the last seat.
type SellsOut struct {
	Orders            int     `json:"orders"`
	SoldOut           int     `json:"sold_out_answers"`
	Seconds           float64 `json:"seconds"`
	AnswersPerSecond  float64 `json:"answers_per_second"`
	SoldSeatLegsRatio float64 `json:"sold_seat_legs_ratio"`
	WronglyRefused    int     `json:"wrongly_refused"`
	UndecidedRefusals int     `json:"undecided_refusals"`

	run *load.Run
}

// Overload is one run that is offered far more than can be sold.
type Overload struct {
	*load.Result
	// OverloadedAnswers were told within the window that too many are waiting, and how long that took, from the
	// question on.
	OverloadedAnswers         int     `json:"overloaded_answers"`
	OverloadedP50Milliseconds float64 `json:"overloaded_p50_ms"`
	OverloadedP99Milliseconds float64 `json:"overloaded_p99_ms"`
	// The server's resident memory: before the first buyer, and at the start, in the middle and at the end of the
	// window; 0 where the system does not tell.
	MemoryBeforeMegabytes float64 `json:"memory_before_mb"`
	MemoryStartMegabytes  float64 `json:"memory_start_mb"`
	MemoryMiddleMegabytes float64 `json:"memory_middle_mb"`
	MemoryEndMegabytes    float64 `json:"memory_end_mb"`
}

// Baseline is what one lock and one transaction per order come to.
type Baseline struct {
	OrdersPerSecond float64        `json:"orders_per_second"`
	Best            BaselineCell   `json:"best"`
	Cells           []BaselineCell `json:"cells"`
}

// BaselineCell is one way of doing it.
type BaselineCell struct {
	Way               string  `json:"way"`
	RetryMilliseconds string  `json:"retry_ms,omitempty"`
	LocalMutex        bool    `json:"local_mutex"`
	Buyers            int     `json:"buyers"`
	Seconds           float64 `json:"seconds"`
	Orders            int     `json:"orders"`
	OrdersPerSecond   float64 `json:"orders_per_second"`
	Failed            int     `json:"failed"`
	Problem           string  `json:"problem,omitempty"`
}

// Ceiling is what the database takes of the same rows and bytes straight through the driver.
type Ceiling struct {
	OrdersPerSecond float64       `json:"orders_per_second"`
	Best            CeilingCell   `json:"best"`
	Cells           []CeilingCell `json:"cells"`
	// Beside is the best cell again, before each round, so that a machine that changes its speed changes both.
	Beside []CeilingCell `json:"beside,omitempty"`
}

// CeilingCell is one size of transactions on some connections.
type CeilingCell struct {
	OrdersPerTransaction int     `json:"orders_per_transaction"`
	Connections          int     `json:"connections"`
	Seconds              float64 `json:"seconds"`
	Orders               int     `json:"orders"`
	OrdersPerSecond      float64 `json:"orders_per_second"`
}
