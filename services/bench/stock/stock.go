package stock

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-io/freshet/services/connection"
	connectionstore "github.com/freshet-io/freshet/services/connection/store"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/store"
)

// writers is how many tokens are written at once: as many as share a commit.
const writers = 256

// Config says whose stock it is.
type Config struct {
	// DataDir is the suite's, which has its master key.
	DataDir string
	// Database is the URL of its PostgreSQL database; empty for SQLite in DataDir.
	Database string
	// Connection is the name of the connection whose token is copied. It must have one.
	Connection string
}

// Stock is the open databases of tokens and of the grants that they are of. The suite must not run meanwhile.
type Stock struct {
	tokens, connections *sqldb.DB
	store               *store.Store
	grants              *connectionstore.Store
	own                 token.Key
}

// Open opens the databases. The stock must be closed.
func Open(ctx context.Context, c Config) (*Stock, error) {
	own, err := token.ParseName(c.Connection + "/token")
	if err != nil {
		return nil, err
	}
	sealer, _, err := seal.LoadOrCreateMasterKey(filepath.Join(c.DataDir, "master.key"))
	if err != nil {
		return nil, err
	}
	tokens, err := c.open(ctx, "token")
	if err != nil {
		return nil, err
	}
	connections, err := c.open(ctx, "connection")
	if err != nil {
		return nil, errors.Join(err, tokens.Close())
	}
	return &Stock{
		tokens: tokens, connections: connections, store: store.New(tokens, sealer), grants: connectionstore.New(connections, sealer), own: own,
	}, nil
}

// open opens the database of a role.
func (c Config) open(ctx context.Context, role string) (*sqldb.DB, error) {
	if c.Database != "" {
		return sqldb.OpenPostgres(ctx, c.Database, "freshet_"+role, sqldb.Options{})
	}
	return sqldb.OpenSQLite(ctx, filepath.Join(c.DataDir, role+".db"), sqldb.Options{})
}

// Close closes the databases.
func (s *Stock) Close() error { return errors.Join(s.tokens.Close(), s.connections.Close()) }

// Copy is one token of a stock.
type Copy struct {
	// RefreshToken is what it is refreshed with.
	RefreshToken string
	// IssueTime is when it was issued, RefreshAt when it is refreshed. Its lifetime is that of the token it is a copy of.
	IssueTime, RefreshAt time.Time
}

// Fill writes the copies with the numbers from from up to, but not including, to, without those that of says no to.
func (s *Stock) Fill(ctx context.Context, from, to int, of func(number int) (c Copy, yes bool)) error {
	first, err := s.store.Get(ctx, s.own)
	if err != nil {
		return fmt.Errorf("the connection's own token: %w", err)
	}
	name, err := connection.ParseName(s.own.ConnectionName())
	if err != nil {
		return err
	}
	parent, err := s.grants.GetWithSecrets(ctx, name)
	if err != nil {
		return err
	}
	var next atomic.Int64
	next.Store(int64(from))
	group, ctx := errgroup.WithContext(ctx)
	for range writers {
		group.Go(func() error {
			for {
				number := int(next.Add(1)) - 1
				if number >= to {
					return nil
				}
				c, yes := of(number)
				if !yes {
					continue
				}
				if err := s.put(ctx, &parent, &first, number, c); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// put writes a token and its grant, which begins with what the connection's own began with, as the copy of the token says.
func (s *Stock) put(ctx context.Context, of *connection.Connection, first *token.Token, number int, c Copy) error {
	key := s.key(number)
	err := s.grants.CreateGrant(ctx, connection.Grant{
		Name: connection.GrantName{Connection: of.Name, ID: key.Grant}, UID: of.UID, Revision: first.Revision, ConfigVersion: 1,
		Credential: connection.GrantCredential{RefreshToken: of.Settings.OAuth2.RefreshToken}, State: connection.StateAuthorized,
		CreateTime: c.IssueTime, UpdateTime: c.IssueTime, StateTime: c.IssueTime, AuthorizeTime: c.IssueTime,
	}, of.UID, nil)
	if err != nil {
		return err
	}
	_, err = s.store.Update(ctx, key, nil, func(r *token.Record) error {
		if r.Exists {
			return fmt.Errorf("%s exists", key.Name())
		}
		t := *first
		t.Key, t.Version, t.Lease = key, 1, token.Lease{}
		t.Credential = token.Credential{}
		t.IssueTime, t.ExpireTime = c.IssueTime, c.IssueTime.Add(first.Lifetime())
		t.RefreshAt, t.MustRefreshAt = c.RefreshAt, t.ExpireTime
		t.AttemptAt, t.AttemptTrigger = c.RefreshAt, token.TriggerSchedule
		r.Token = t
		credential := first.Credential
		credential.RefreshToken = seal.NewSecret(c.RefreshToken)
		r.Credential = &credential
		return nil
	})
	return err
}

func (s *Stock) key(number int) token.Key {
	key := s.own
	key.Grant = fmt.Sprintf("u%07d", number)
	return key
}

// State is what became of a range of copies.
type State struct {
	// Refreshed have a second generation or a later one and are valid; the last of them got it at Last.
	Refreshed int
	Last      time.Time
	// Failed met a failure since their last success.
	Failed int
}

// Look reads the copies with the numbers from from up to, but not including, to.
func (s *Stock) Look(ctx context.Context, from, to int) (State, error) {
	var state State
	now := time.Now()
	for number := from; number < to; number++ {
		t, err := s.store.Get(ctx, s.key(number))
		if err != nil {
			return State{}, errors.Join(fmt.Errorf("read %s", s.key(number).Name()), err)
		}
		if t.Generation > 1 && t.ValidAt(now) {
			state.Refreshed++
			if t.LastSuccess.After(state.Last) {
				state.Last = t.LastSuccess
			}
		}
		if t.LastFailure != nil {
			state.Failed++
		}
	}
	return state, nil
}
