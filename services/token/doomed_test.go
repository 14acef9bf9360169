package token_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/dpop"
	"github.com/freshet-io/freshet/services/token/oauth"
	"github.com/freshet-io/freshet/services/token/store"
)

// This file is the process that the crash tests kill: the test binary, started again with a plan in its environment.

// crashEnv names the variable with the plan.
const crashEnv = "FRESHET_TEST_CRASH"

// crashPlan is what a process does before it is killed.
type crashPlan struct {
	Engine    sqldb.Engine
	DSN       string
	MasterKey []byte
	Endpoint  string
	Seed      string
	Provider  token.Provider
	DPoP      dpop.Algorithm
	// Step is the write that the process kills itself at; Done: after it instead of before it. Empty: the test kills it.
	Step crashStep
	Done bool
	// Stumbles: the process cannot read answers.
	Stumbles bool
}

// crashStep is one of the writes of a rotation.
type crashStep string

const (
	stepClaim  crashStep = "claim"
	stepIntent crashStep = "intent" // to redeem
	stepAnswer crashStep = "answer"
	stepNonce  crashStep = "nonce" // the request was refused for want of one
	stepCommit crashStep = "commit"
)

// stepOf tells which write this is; empty: another one.
func stepOf(rec *token.Record) crashStep {
	if len(rec.Journal) == 0 {
		return ""
	}
	switch entry := rec.Journal[len(rec.Journal)-1]; {
	case entry.State == token.RotationIntent && entry.RequestSent:
		return stepIntent
	case entry.State == token.RotationIntent && entry.Challenges > 0:
		return stepNonce
	case entry.State == token.RotationIntent:
		return stepClaim
	case entry.State == token.RotationResponded:
		return stepAnswer
	case entry.State == token.RotationCommitted:
		return stepCommit
	default:
		return ""
	}
}

// settings are those of the plan's connection.
func (p *crashPlan) settings(revision int64) token.Settings {
	with := settings(revision)
	with.Kind, with.OAuth2.Grant = token.KindRefreshToken, token.KindRefreshToken
	with.OAuth2.TokenEndpoint, with.OAuth2.RefreshToken, with.OAuth2.Provider = p.Endpoint, seal.NewSecret(p.Seed), p.Provider
	with.OAuth2.DPoP = p.DPoP
	return with
}

func (p *crashPlan) open(ctx context.Context) (*sqldb.DB, error) {
	if p.Engine == sqldb.SQLite {
		return sqldb.OpenSQLite(ctx, p.DSN, sqldb.Options{})
	}
	return sqldb.OpenPostgres(ctx, p.DSN, "token", sqldb.Options{MaxConns: 4})
}

// crashLease is short, because the next process waits for it on PostgreSQL.
const crashLease = 500 * time.Millisecond

// runDoomed runs a token service until it is killed.
func runDoomed(text string) error {
	var plan crashPlan
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := plan.open(ctx)
	if err != nil {
		return err
	}
	sealer, err := seal.ParseMasterKey(plan.MasterKey)
	if err != nil {
		return err
	}
	client, err := oauth.New(oauth.Config{HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if err != nil {
		return err
	}
	var exchanger token.Exchanger = client
	if plan.Stumbles {
		exchanger = stumbling{client}
	}
	svc, err := token.NewService(token.Params{
		Revocations: store.New(db, sealer),
		Budgets:     store.New(db, sealer),
		Store:       &suicidalStore{Store: store.New(db, sealer), plan: &plan},
		Settings:    &connections{settings: map[string]token.Settings{crm.ConnectionName(): plan.settings(2)}},
		Exchanger:   exchanger, LeaseTime: crashLease,
	})
	if err != nil {
		return err
	}
	return svc.Run(ctx)
}

// stumbling is a real client that does not survive what servers answer.
type stumbling struct{ token.Exchanger }

func (stumbling) Read(token.Answer, token.OAuth2, token.Grant) (token.Issued, error) {
	panic("the reader stumbled")
}

// suicidalStore is a real store that kills its process at a write.
type suicidalStore struct {
	token.Store

	plan *crashPlan
}

func (s *suicidalStore) Update(ctx context.Context, key token.Key, known *token.Token, change func(*token.Record) error) (token.Token, error) {
	fatal := false
	t, err := s.Store.Update(ctx, key, known, func(rec *token.Record) error {
		err := change(rec)
		fatal = err == nil && s.plan.Step != "" && stepOf(rec) == s.plan.Step
		if fatal && !s.plan.Done {
			die()
		}
		return err
	})
	if fatal {
		die()
	}
	return t, err
}

// die is kill -9: nothing is flushed, closed or given back.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
