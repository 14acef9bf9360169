package connect

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/freshet-io/freshet/services/connection"
)

// complete finds out of the account what the provider's API needs, and ends the session.
func (s *Service) complete(ctx context.Context, session Session, g connection.Grant) (Session, error) {
	c, err := s.grants.UsersConnection(ctx, session.Name.Connection)
	if err != nil && !isGone(err) {
		return session, err
	}
	if err == nil && c.Settings.Preset() != "" {
		account, err := s.account(ctx, session, c)
		if err != nil {
			if s.now().Before(session.ExpireTime) && ctx.Err() != nil {
				return session, err // another attempt follows
			}
			s.logger.WarnContext(ctx, "account not known", "grant", session.Grant.String(), "error", err)
			return s.save(ctx, s.end(session, Failed, ReasonAccountUnknown, err.Error()))
		}
		if err := s.grants.SetGrantAccount(ctx, session.Grant, g.UID, account); err != nil {
			return session, err
		}
	}
	return s.save(ctx, s.end(session, Completed, "", ""))
}

// account is what the callback, the token answer and the API tell, as the provider's entry asks for it.
func (s *Service) account(ctx context.Context, session Session, c connection.Connection) (map[string]string, error) {
	flow, err := s.flow(c)
	if err != nil {
		return nil, err
	}
	account := maps.Clone(session.Told)
	if account == nil {
		account = map[string]string{}
	}
	if len(flow.Answer) > 0 {
		values, err := s.authorizer.AnswerValues(ctx, session.Grant)
		if err != nil {
			return nil, err
		}
		maps.Copy(account, values)
	}
	for _, step := range flow.Steps {
		values, err := s.ask(ctx, session.Grant, c, step, account)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", step.Name, err)
		}
		maps.Copy(account, values)
	}
	if missing := slices.DeleteFunc(slices.Clone(flow.Needs), func(name string) bool { return account[name] != "" }); len(missing) > 0 {
		return nil, fmt.Errorf("the provider did not tell %s", strings.Join(missing, ", "))
	}
	if flow.Identity != nil {
		if values, err := s.ask(ctx, session.Grant, c, *flow.Identity, account); err == nil { // good to know, no more
			maps.Copy(account, values)
		}
	}
	return account, nil
}

// ask makes one call of the provider's API.
func (s *Service) ask(
	ctx context.Context, of connection.GrantName, c connection.Connection, step Step, account map[string]string,
) (map[string]string, error) {
	target, err := s.catalog.URL(c.Settings.OAuth2.Preset, step.URL, account)
	if err != nil {
		return nil, err
	}
	step.URL = target
	return s.asker.Ask(ctx, of, step)
}
