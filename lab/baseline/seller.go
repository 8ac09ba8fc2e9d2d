package baseline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	gormmysql "gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// lockExpiry outlives any order.
const lockExpiry = 8 * time.Second

// Options say where to sell.
type Options struct {
	// DSN is a database of its own on the primary.
	DSN       string
	LockAddrs []string
	// Connections is as many as there are buyers at most.
	Connections int
	// Calls, Classes and SeatsPerClass are the train's.
	Calls, SeatsPerClass int
	Classes              []rail.SeatClass
}

// Seller sells.
type Seller struct {
	options Options
	db      *gorm.DB
	locks   *redsync.Redsync
	clients []*redis.Client
	layouts map[rail.SeatClass]*seatmap.Layout
	local   sync.Mutex
}

// Request is one order for one passenger.
type Request struct {
	Run                  string
	Buyer, Key, Document string
	Name                 string
	Class                rail.SeatClass
	From, To             int
}

// Open makes the tables, the ledger's own, and connects.
func Open(ctx context.Context, o Options) (_ *Seller, err error) {
	if err := sqlledger.Migrate(ctx, sqlledger.Options{DSN: o.DSN}); err != nil {
		return nil, err
	}
	s := &Seller{options: o, layouts: map[rail.SeatClass]*seatmap.Layout{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	s.db, err = gorm.Open(gormmysql.Open(o.DSN+"?interpolateParams=true&transaction_isolation=%27READ-COMMITTED%27"),
		&gorm.Config{
			SkipDefaultTransaction: true, Logger: logger.Discard,
		})
	if err != nil {
		// MariaDB 10.11 knows the variable by its old name only.
		s.db, err = gorm.Open(gormmysql.Open(o.DSN+"?interpolateParams=true&tx_isolation=%27READ-COMMITTED%27"),
			&gorm.Config{
				SkipDefaultTransaction: true, Logger: logger.Discard,
			})
	}
	if err != nil {
		return nil, err
	}
	pool, err := s.db.DB()
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(o.Connections)
	pool.SetMaxIdleConns(o.Connections)
	nodes := make([]redsyncredis.Pool, len(o.LockAddrs))
	for i, addr := range o.LockAddrs {
		client := redis.NewClient(&redis.Options{
			Addr: addr, PoolSize: o.Connections,
			MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		})
		s.clients = append(s.clients, client)
		nodes[i] = goredis.NewPool(client)
	}
	s.locks = redsync.New(nodes...)
	formation := o.formation()
	for _, class := range o.Classes {
		s.layouts[class] = seatmap.NewLayout(formation, class)
	}
	return s, nil
}

// formation has one coach per class.
func (o Options) formation() *rail.Formation {
	var coaches []rail.Coach
	for i, class := range o.Classes {
		seats := make([]rail.Seat, o.SeatsPerClass)
		for n := range seats {
			seats[n].Label = fmt.Sprintf("%d%c", n/4+1, "ABCD"[n%4])
		}
		coaches = append(coaches, rail.Coach{Number: fmt.Sprint(i + 1), SeatClass: class, Seats: seats})
	}
	return rail.NewFormation(coaches)
}

// NewRun puts a run on sale.
func (s *Seller) NewRun(ctx context.Context, id string) error {
	db := s.db.WithContext(ctx)
	err := db.Exec("INSERT INTO runs (id, train_number, train_id, service_date, sale_opens_at, "+
		"closes_before_seconds, status, reason, version, touched_at, publication) "+
		"VALUES (?, 'B1', ?, '2030-01-01', 0, 300, 'PUBLISHED', '', 1, 0, 1)", id, trainID).Error
	for _, class := range s.options.Classes {
		if err == nil {
			empty := seatmap.New(s.options.Calls-1, s.options.SeatsPerClass).Encode()
			err = db.Create(&seatMap{RunID: id, SeatClass: string(class), Sold: empty}).Error
		}
	}
	return err
}

// trainID is as long as the ledger's.
const trainID = "3b2e7c1d9a8f4e6b5c0d1a2f3e4b5c6d"

var errSoldOut = errors.New("sold out")

// Sell sells one ticket.
func (s *Seller) Sell(ctx context.Context, v Variant, r Request) error {
	if v.ForUpdate {
		return s.transact(ctx, v, r)
	}
	if v.LocalMutex {
		s.local.Lock()
		defer s.local.Unlock()
	}
	mutex := s.locks.NewMutex("baseline:"+r.Run, redsync.WithExpiry(lockExpiry), redsync.WithTries(math.MaxInt32),
		redsync.WithRetryDelayFunc(v.retry))
	if err := mutex.LockContext(ctx); err != nil {
		return err
	}
	err := s.transact(ctx, v, r)
	if _, unlockErr := mutex.UnlockContext(context.WithoutCancel(ctx)); err == nil {
		err = unlockErr
	}
	return err
}

func (s *Seller) transact(ctx context.Context, v Variant, r Request) error {
	return s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		var on run
		find := tx
		if v.ForUpdate {
			find = tx.Clauses(clause.Locking{Strength: "UPDATE"})
		}
		if err := find.Where("id = ?", r.Run).Take(&on).Error; err != nil {
			return err
		}
		if on.Status != "PUBLISHED" {
			return errors.New("not on sale")
		}
		var stored seatMap
		if err := tx.Where("run_id = ? AND seat_class = ?", r.Run, r.Class).Take(&stored).Error; err != nil {
			return err
		}
		seats, err := seatmap.Decode(s.options.Calls-1, s.options.SeatsPerClass, stored.Sold)
		if err != nil {
			return err
		}
		given, ok := seats.Allocate(s.layouts[r.Class], r.From, r.To, []rail.Wish{{}})
		if !ok {
			return errSoldOut
		}
		err = tx.Model(&seatMap{}).Where("run_id = ? AND seat_class = ?", r.Run, r.Class).Update("sold",
			seats.Encode()).Error
		if err != nil {
			return err
		}
		now := time.Now().UnixMilli()
		id := r.Run + "/" + uuid.Must(uuid.NewV7()).String()
		err = tx.Create(&order{
			RunID: r.Run, ID: id, Number: id[len(id)-12:], Buyer: r.Buyer, IdempotencyKey: r.Key, BodyHash: r.Key,
			Version: 1,
			State:   "ON_HOLD", TrainID: on.TrainID, FromCall: r.From, ToCall: r.To, TotalMinor: 55_300,
			Currency: "CNY",
			PlacedAt: now, PayBy: now + (15 * time.Minute).Milliseconds(), PlacedRunVersion: on.Version,
		}).Error
		if err != nil {
			return err
		}
		return tx.Create(&ticket{
			RunID: r.Run, OrderID: id, SeatClass: string(r.Class), SeatIndex: given[0], Coach: "1",
			Seat:       fmt.Sprintf("%dA", given[0]/4+1),
			PriceMinor: 55_300, Currency: "CNY", Personal: []byte(r.Document + r.Name), Document: r.Key,
		}).Error
	})
}

// Close disconnects.
func (s *Seller) Close() error {
	var errs []error
	for _, c := range s.clients {
		errs = append(errs, c.Close())
	}
	if s.db != nil {
		pool, err := s.db.DB()
		if err == nil {
			err = pool.Close()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
