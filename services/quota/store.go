package quota

import (
	"context"
	"time"
)

// Bucket is a part of a demand.
type Bucket struct {
	// Key names the bucket, by a digest: nothing of a person is in it.
	Key  string
	Rate Rate
	// Cost is how many are wanted.
	Cost int
}

// Demand is taken from all of its buckets, or from none.
type Demand struct {
	Buckets []Bucket
	// UpTo takes as many as there are, from one bucket.
	UpTo bool
}

// Grant is what became of a demand.
type Grant struct {
	// Taken is how many were taken: 0, or the Cost; with UpTo also less.
	Taken int
	// Refused is the place of the bucket that refused, -1 where none did. Wait is after how long it would not.
	Refused int
	Wait    time.Duration
	// Left is how many the first bucket has left.
	Left int
}

// Store has the buckets that all servers share. Their time is its own.
type Store interface {
	// Take answers demands in their order, at most MaxDemands. After an error it is not known which were taken.
	Take(ctx context.Context, demands []Demand) ([]Grant, error)
}

// MaxDemands is how many demands are answered at a time, MaxBuckets how many buckets one has.
const (
	MaxDemands = 256
	MaxBuckets = 16
)
