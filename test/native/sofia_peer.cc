// A SIP peer on sofia-sip, which FreeSWITCH's stack was forked from: its parser, transactions, dialogs, offer/answer and timers.
// Lines on standard input drive it, `VERB HANDLE KEY=VALUE ...` with values percent-encoded; events go to standard
// output as a line of JSON each, between the lines of its log of the wire. All in one thread.

#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <unistd.h>

#include <sofia-sip/auth_module.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/nua.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/soa.h>
#include <sofia-sip/tport_tag.h>

#include "sofia_text.h"

namespace {

su_home_t home[1] = {SU_HOME_INIT(home)};
su_root_t* root = nullptr;
nua_t* agent = nullptr;
auth_mod_t* authenticator = nullptr;
/** Methods that need a password. */
std::string challenged;
/** As in `user:password`, for challenges of the far end. */
std::string credentials;
std::map<std::string, nua_handle_t*> handles;
std::map<nua_handle_t*, std::string> names;
unsigned incoming = 0;
std::string input;

enum class Kind { text, number };

struct Key {
  tag_type_t tag;
  Kind kind;
};

const std::map<std::string, Key>& keys() {
  static const std::map<std::string, Key> known = {
      {"url", {nutag_url, Kind::text}},
      {"sdp", {soatag_user_sdp_str, Kind::text}},
      {"audio_aux", {soatag_audio_aux, Kind::text}},
      {"hold", {soatag_hold, Kind::text}},
      {"ordered_user", {soatag_ordered_user, Kind::number}},
      {"reuse_rejected", {soatag_reuse_rejected, Kind::number}},
      {"rtp_sort", {soatag_rtp_sort, Kind::number}},
      {"rtp_select", {soatag_rtp_select, Kind::number}},
      {"header", {siptag_header_str, Kind::text}},
      {"body", {siptag_payload_str, Kind::text}},
      {"type", {siptag_content_type_str, Kind::text}},
      {"from", {siptag_from_str, Kind::text}},
      {"to", {siptag_to_str, Kind::text}},
      {"contact", {siptag_contact_str, Kind::text}},
      {"supported", {siptag_supported_str, Kind::text}},
      {"require", {siptag_require_str, Kind::text}},
      {"user_agent", {siptag_user_agent_str, Kind::text}},
      {"refer_to", {siptag_refer_to_str, Kind::text}},
      {"reason", {siptag_reason_str, Kind::text}},
      {"allow", {nutag_allow, Kind::text}},
      {"allow_events", {nutag_allow_events, Kind::text}},
      {"app_method", {nutag_appl_method, Kind::text}},
      {"proxy", {ntatag_default_proxy, Kind::text}},
      {"registrar", {nutag_registrar, Kind::text}},
      {"session_timer", {nutag_session_timer, Kind::number}},
      {"min_se", {nutag_min_se, Kind::number}},
      {"refresher", {nutag_session_refresher, Kind::number}},
      {"update_refresh", {nutag_update_refresh, Kind::number}},
      {"refresh_without_sdp", {nutag_refresh_without_sdp, Kind::number}},
      {"early_media", {nutag_early_media, Kind::number}},
      {"extra_sdp", {nutag_include_extra_sdp, Kind::number}},
      {"media", {nutag_media_enable, Kind::number}},
      {"auto_ack", {nutag_autoack, Kind::number}},
      {"auto_answer", {nutag_autoanswer, Kind::number}},
      {"auto_alert", {nutag_autoalert, Kind::number}},
      {"messenger", {nutag_enablemessenger, Kind::number}},
      {"extra_100", {ntatag_extra_100, Kind::number}},
      {"user_via", {ntatag_user_via, Kind::number}},
      {"sipflags", {ntatag_sipflags, Kind::number}},
      {"use_naptr", {ntatag_use_naptr, Kind::number}},
      {"log", {tptag_log, Kind::number}},
  };
  return known;
}

void complain(const std::string& what) {
  std::printf("{\"event\":\"complaint\",\"phrase\":%s}\n", quoted(what.c_str()).c_str());
}

/** What nua takes for the keys of a line; it copies what it keeps. The fields outlive it. */
std::vector<tagi_t> tagsOf(const Fields& fields) {
  std::vector<tagi_t> tags;
  for (const auto& [key, value] : fields) {
    const auto found = keys().find(key);
    if (found == keys().end()) {
      complain("unknown key " + key);
      continue;
    }
    const bool isNumber = found->second.kind == Kind::number;
    const auto number = static_cast<tag_value_t>(std::strtol(value.c_str(), nullptr, 10));
    tags.push_back({found->second.tag, isNumber ? number : reinterpret_cast<tag_value_t>(value.c_str())});
  }
  tags.push_back({nullptr, 0});
  return tags;
}

const std::string& nameOf(nua_handle_t* handle) {
  const auto found = names.find(handle);
  if (found != names.end()) return found->second;
  const std::string name = "in" + std::to_string(++incoming);
  handles[name] = handle;
  return names[handle] = name;
}

bool isIn(const std::string& list, const char* word) {
  return ("," + list + ",").find("," + std::string(word) + ",") != std::string::npos;
}

/** True when the request was answered with a challenge, or with a refusal of its credentials. */
bool isChallenged(nua_handle_t* handle, const sip_t* sip) {
  if (authenticator == nullptr || sip == nullptr || sip->sip_request == nullptr) return false;
  const char* method = sip->sip_request->rq_method_name;
  if (!isIn(challenged, method)) return false;
  static const auth_challenger_t registrar = {SIP_401_UNAUTHORIZED, sip_www_authenticate_class,
                                              sip_authentication_info_class};
  static const auth_challenger_t proxy = {SIP_407_PROXY_AUTH_REQUIRED, sip_proxy_authenticate_class,
                                          sip_proxy_authentication_info_class};
  const bool isRegister = sip->sip_request->rq_method == sip_method_register;
  auth_status_t status[1];
  auth_status_init(status, sizeof status);
  status->as_method = method;
  status->as_uri = url_as_string(status->as_home, sip->sip_request->rq_url);
  if (sip->sip_payload != nullptr) {
    status->as_body = sip->sip_payload->pl_data;
    status->as_bodylen = sip->sip_payload->pl_len;
  }
  auth_mod_verify(authenticator, status, isRegister ? sip->sip_authorization : sip->sip_proxy_authorization,
                  isRegister ? &registrar : &proxy);
  const bool isRefused = status->as_status != 0;
  if (isRefused)
    nua_respond(handle, status->as_status, status->as_phrase, NUTAG_WITH_CURRENT(agent),
                SIPTAG_HEADER(reinterpret_cast<sip_header_t const*>(status->as_response)), TAG_END());
  su_home_deinit(status->as_home);
  return isRefused;
}

/** As FreeSWITCH does on 401 and 407: the realm of the challenge with the password it has. */
void authenticate(nua_handle_t* handle, const sip_t* sip) {
  const msg_auth_t* challenge =
      sip->sip_www_authenticate != nullptr ? sip->sip_www_authenticate : sip->sip_proxy_authenticate;
  const char* realm = challenge == nullptr ? nullptr : msg_params_find(challenge->au_params, "realm=");
  if (realm == nullptr || credentials.empty()) return;
  const std::string text = std::string(challenge->au_scheme) + ":" + realm + ":" + credentials;
  nua_authenticate(handle, NUTAG_AUTH(text.c_str()), TAG_END());
}

/** Agrees to what nua leaves to the application; INVITE has its own command. */
void agree(nua_event_t event, int status, nua_handle_t* handle, const sip_t* sip) {
  const bool needsAnswer = nua_event_is_incoming_request(event) != 0 && status < 200 && sip != nullptr &&
                           event != nua_i_invite && event != nua_i_ack && event != nua_i_cancel &&
                           event != nua_i_prack;
  if (!needsAnswer) return;
  const bool isRefer = event == nua_i_refer;
  nua_respond(handle, isRefer ? 202 : 200, isRefer ? "Accepted" : "OK", NUTAG_WITH_CURRENT(agent), TAG_END());
}

void tell(nua_event_t event, int status, const char* phrase, nua_handle_t* handle, const sip_t* sip,
          tagi_t* tags) {
  std::string line = "{\"event\":" + quoted(nua_event_name(event)) + ",\"status\":" + std::to_string(status) +
                     ",\"phrase\":" + quoted(phrase);
  if (handle != nullptr) line += ",\"handle\":" + quoted(nameOf(handle).c_str());
  if (event == nua_i_state) {
    int state = 0;
    const char* remote = nullptr;
    const char* local = nullptr;
    tl_gets(tags, NUTAG_CALLSTATE_REF(state), SOATAG_REMOTE_SDP_STR_REF(remote), SOATAG_LOCAL_SDP_STR_REF(local),
            TAG_END());
    line += ",\"state\":" + quoted(nua_callstate_name(static_cast<nua_callstate>(state)));
    if (remote != nullptr) line += ",\"remote\":" + quoted(remote);
    if (local != nullptr) line += ",\"local\":" + quoted(local);
  }
  if (event == nua_i_invite && sip != nullptr && sip->sip_replaces != nullptr) {
    nua_handle_t* replaced = nua_handle_by_replaces(agent, sip->sip_replaces);
    line += ",\"replaces\":" + quoted(replaced == nullptr ? "" : nameOf(replaced).c_str());
    if (replaced != nullptr) nua_handle_unref(replaced);
  }
  msg_t* message = sip == nullptr ? nullptr : nua_current_request(agent);
  if (message != nullptr) {
    size_t size = 0;
    char* text = msg_as_string(home, message, nullptr, 0, &size);
    line += ",\"message\":" + quoted(text);
    su_free(home, text);
  }
  std::printf("%s}\n", line.c_str());
}

void onEvent(nua_event_t event, int status, const char* phrase, nua_t*, nua_magic_t*, nua_handle_t* handle,
             nua_hmagic_t*, const sip_t* sip, tagi_t* tags) {
  tell(event, status, phrase, handle, sip, tags);
  if ((status == 401 || status == 407) && sip != nullptr && nua_event_is_incoming_request(event) == 0)
    authenticate(handle, sip);
  // nua has answered it.
  if (status >= 200 || isChallenged(handle, sip)) return;
  agree(event, status, handle, sip);
}

/** The dialog of the handle `name` is to be replaced: Replaces in `Refer-To`, or a header of its own. */
void withReplaces(const std::string& verb, Fields& fields, const std::string& name) {
  const auto found = handles.find(name);
  sip_replaces_t* replaces =
      found == handles.end() ? nullptr : nua_handle_make_replaces(found->second, home, 0);
  if (replaces == nullptr) {
    complain("no dialog " + name);
    return;
  }
  if (verb != "refer") {
    const char* text = sip_header_as_string(home, reinterpret_cast<sip_header_t*>(replaces));
    fields.emplace_back("header", std::string("Replaces: ") + text);
    return;
  }
  const std::string query = sip_headers_as_url_query(home, SIPTAG_REPLACES(replaces), TAG_END());
  for (auto& [key, value] : fields)
    if (key == "refer_to") value = "<" + value + "?" + query + ">";
}

using Verb = void (*)(nua_handle_t*, tag_type_t, tag_value_t, ...);

const std::map<std::string, Verb>& verbs() {
  static const std::map<std::string, Verb> known = {
      {"invite", nua_invite}, {"ack", nua_ack},         {"bye", nua_bye},         {"cancel", nua_cancel},
      {"update", nua_update}, {"info", nua_info},       {"message", nua_message}, {"options", nua_options},
      {"refer", nua_refer},   {"register", nua_register},
  };
  return known;
}

/** nua keeps the pointer to a phrase. */
const char* kept(const std::string& phrase) {
  static std::set<std::string> phrases;
  return phrases.insert(phrase).first->c_str();
}

nua_handle_t* handleOf(const std::string& name, bool makes) {
  const auto found = handles.find(name);
  if (found != handles.end()) return found->second;
  if (!makes) return nullptr;
  nua_handle_t* handle = nua_handle(agent, nullptr, TAG_END());
  handles[name] = handle;
  names[handle] = name;
  return handle;
}

void onLine(const std::string& line) {
  const std::vector<std::string> words = wordsOf(line);
  if (words.size() < 2) return;
  const std::string& verb = words[0];
  if (verb == "challenges") {
    challenged = words[1];
    return;
  }
  if (verb == "credentials") {
    credentials = decoded(words[1]);
    return;
  }
  const bool isNew = handles.find(words[1]) == handles.end();
  const bool isResponse = verb == "respond";
  nua_handle_t* handle = handleOf(words[1], !isResponse);
  if (handle == nullptr) {
    complain("no handle " + words[1]);
    return;
  }
  Fields fields = fieldsOf(words, isResponse ? 4 : 2);
  // nua makes no dialog without a To.
  if (isNew && valueOf(fields, "to").empty()) fields.emplace_back("to", "<" + valueOf(fields, "url") + ">");
  const std::string replaced = taken(fields, "replaces");
  if (!replaced.empty()) withReplaces(verb, fields, replaced);
  const std::vector<tagi_t> tags = tagsOf(fields);
  if (isResponse && words.size() >= 4) {
    nua_respond(handle, std::atoi(words[2].c_str()), kept(decoded(words[3])), TAG_NEXT(tags.data()));
    return;
  }
  const auto found = verbs().find(verb);
  if (found == verbs().end()) complain("unknown verb " + verb);
  else found->second(handle, TAG_NEXT(tags.data()));
}

int onInput(su_root_magic_t*, su_wait_t*, su_wakeup_arg_t*) {
  char bytes[65536];
  const ssize_t length = read(STDIN_FILENO, bytes, sizeof bytes);
  if (length < 0) return 0;
  if (length == 0) {
    // Whoever drives it has gone.
    su_root_break(root);
    return 0;
  }
  input.append(bytes, static_cast<size_t>(length));
  for (size_t end = input.find('\n'); end != std::string::npos; end = input.find('\n')) {
    const std::string line = input.substr(0, end);
    input.erase(0, end + 1);
    onLine(line);
  }
  return 0;
}

}  // namespace

/** `sofia-peer [--passwords FILE] KEY=VALUE ...`: the keys are those of nua's parameters, `url` the address it binds. */
int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  // One pipe for both, so that no line stands in the middle of another.
  dup2(STDOUT_FILENO, STDERR_FILENO);
  std::vector<std::string> words;
  std::string passwords;
  for (int at = 1; at < argc; ++at) {
    if (std::strcmp(argv[at], "--passwords") == 0 && at + 1 < argc) passwords = argv[++at];
    else words.emplace_back(argv[at]);
  }
  su_init();
  root = su_root_create(nullptr);
  su_root_threading(root, 0);
  const Fields fields = fieldsOf(words, 0);
  const std::vector<tagi_t> tags = tagsOf(fields);
  agent = nua_create(root, onEvent, nullptr, TAG_NEXT(tags.data()));
  if (agent == nullptr) {
    std::fprintf(stderr, "sofia-sip cannot bind\n");
    return 1;
  }
  // Some are taken by nua_create, and the others by this.
  nua_set_params(agent, TAG_NEXT(tags.data()));
  if (!passwords.empty())
    authenticator = auth_mod_create(root, AUTHTAG_METHOD("Digest"), AUTHTAG_REALM("sofia.test"),
                                    AUTHTAG_DB(passwords.c_str()), AUTHTAG_QOP("auth"), AUTHTAG_ALGORITHM("MD5"),
                                    AUTHTAG_ALLOW("ACK, CANCEL"), TAG_END());
  su_wait_t wait[1] = {SU_WAIT_INIT};
  su_wait_create(wait, STDIN_FILENO, SU_WAIT_IN);
  su_root_register(root, wait, onInput, nullptr, 0);
  std::printf("{\"event\":\"started\",\"phrase\":\"sofia-sip %s\"}\n", nua_version);
  su_root_run(root);
  // No farewell: nobody waits for the end of transactions.
  std::fflush(stdout);
  std::_Exit(0);
}
