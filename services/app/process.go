package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"buf.build/go/protovalidate"
	"github.com/oklog/ulid/v2"

	"github.com/freshet-io/freshet/services/gateway/proxy"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/egress"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/internal/rpcclient"
	"github.com/freshet-io/freshet/services/internal/rpcserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/telemetry"
)

// process is what the roles of one process share.
type process struct {
	config    *Config
	version   string
	telemetry *telemetry.Telemetry
	now       func() time.Time
	// instance names this process among replicas; new at every start.
	instance string

	sealer    *seal.Sealer
	authn     *authn.Authenticator
	internal  *authn.InternalTokens
	pages     *page.Codec
	validator protovalidate.Validator
	egress    *egress.Guard
	network   *network
	server    *rpcserver.Server
	databases []*database
	// publicURL is where browsers reach the gateway; empty: not known.
	publicURL string
	calls     proxy.CallLog // nil: calls are not kept

	// adminKeyCreated and masterKeyCreated tell that this start made them.
	adminKeyCreated, masterKeyCreated bool
}

// database is a role's own.
type database struct {
	*sqldb.DB
	role string
}

func newProcess(config *Config, version string, tel *telemetry.Telemetry) (p *process, err error) {
	p = &process{config: config, version: version, telemetry: tel, now: time.Now, instance: ulid.Make().String()}
	if err := os.MkdirAll(config.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	if err := p.loadKeys(); err != nil {
		return nil, err
	}
	networks, err := egress.ParseNetworks(config.Egress.Allow)
	if err != nil {
		return nil, fmt.Errorf("egress.allow: %w", err)
	}
	p.egress = egress.NewGuard(egress.Policy{AllowNetworks: networks, AllowHTTP: config.Egress.AllowHTTP}, egress.Options{})
	if p.validator, err = protovalidate.New(); err != nil {
		return nil, err
	}
	tlsConfig, err := serverTLS(config.TLS)
	if err != nil {
		return nil, err
	}
	p.server, err = rpcserver.New(rpcserver.Config{
		Logger:         p.logger("rpc"),
		Authenticator:  p.authn,
		Policy:         internalCallers(),
		TracerProvider: tel.TracerProvider,
		MeterProvider:  tel.MeterProvider,
		TLS:            tlsConfig,
		Streams:        rpcserver.StreamLimits(config.Streams),
		DrainTimeout:   config.ShutdownTimeout / 2,
	})
	if err != nil {
		return nil, err
	}
	p.network = newNetwork(config, rpcclient.Options{
		TracerProvider: tel.TracerProvider,
		MeterProvider:  tel.MeterProvider,
		Logger:         p.logger("rpc"),
	})
	return p, nil
}

// loadKeys reads the key files, creating those that are missing.
func (p *process) loadKeys() (err error) {
	var adminHash [32]byte
	if adminHash, p.adminKeyCreated, err = authn.LoadOrCreateAdminKey(p.config.AdminKeyPath()); err != nil {
		return fmt.Errorf("admin_key_file: %w", err)
	}
	if p.sealer, p.masterKeyCreated, err = seal.LoadOrCreateMasterKey(p.config.MasterKeyPath()); err != nil {
		return fmt.Errorf("master_key_file: %w", err)
	}
	callKey, err := p.sealer.DeriveKey("freshet internal calls v1")
	if err != nil {
		return err
	}
	pageKey, err := p.sealer.DeriveKey("freshet page tokens v1")
	if err != nil {
		return err
	}
	p.internal = authn.NewInternalTokens(callKey, p.now)
	p.authn = authn.New(adminHash, p.internal)
	p.pages = page.NewCodec(pageKey)
	return nil
}

// open opens a role's database and brings its schema up to date.
func (p *process) open(ctx context.Context, r role) (*database, error) {
	options := sqldb.Options{Logger: p.logger(r.name)}
	var db *sqldb.DB
	var err error
	if p.config.Database != "" {
		db, err = sqldb.OpenPostgres(ctx, p.config.Database, "freshet_"+r.name, options)
	} else {
		db, err = sqldb.OpenSQLite(ctx, filepath.Join(p.config.DataDir, r.name+".db"), options)
	}
	if err != nil {
		return nil, fmt.Errorf("database of role %s: %w", r.name, err)
	}
	opened := &database{DB: db, role: r.name}
	p.databases = append(p.databases, opened)
	if err := db.Migrate(ctx, r.migrations()); err != nil {
		return nil, fmt.Errorf("database of role %s: %w", r.name, err)
	}
	return opened, nil
}

// ready says what keeps the process from serving, nil if nothing does.
func (p *process) ready() error {
	select {
	case <-p.server.Draining():
		return errors.New("stopping")
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	for _, db := range p.databases {
		if err := db.Ping(ctx); err != nil {
			return fmt.Errorf("the database of role %s does not answer", db.role)
		}
	}
	return nil
}

// close releases everything, last opened first.
func (p *process) close() error {
	var errs []error
	if p.network != nil {
		errs = append(errs, p.network.close())
	}
	for _, v := range slices.Backward(p.databases) {
		errs = append(errs, v.Close())
	}
	return errors.Join(errs...)
}

// userAgent is what destinations see (RFC 9110 section 10.1.5).
func (p *process) userAgent() string {
	if p.version == "" {
		return "Freshet"
	}
	return "Freshet/" + p.version
}

func (p *process) logger(part string) *slog.Logger {
	return p.telemetry.Logger.With("part", part)
}
