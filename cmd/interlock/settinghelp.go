package main

// settingHelp is what --help says of each setting.
var settingHelp = map[string]string{
	"listen": "The address to serve on.",
	"hosts": "The names clients reach the server by, as in the Host header, besides those of loopback and --listen; " +
		"* " +
		"is any.",
	"allowed-origins": "Web origins that may use the API besides our own.",
	"data":            "The folder of the embedded default: database, development secrets, addresses.",

	"mysql": "The ledger: the DSN of its primary, such as user:password@tcp(db:3306)/interlock, or those of all " +
		"members of its cluster, repeated or with commas between them (a comma within one is written \\,), among " +
		"which the primary is found. Without it, the embedded default.",
	"mysql-replica": "A replica to read lists from, where --mysql names the primary alone.",
	"durability": "With MySQL: refuse to sell while semi-synchronous replication is off (replicated), or trust one " +
		"server and its disk (local).",

	"failover-members": "For failover: all members of the ledger's MySQL cluster, as a user that may administer " +
		"them: " +
		"admin:password@tcp(db1:3306)/interlock.",
	"replication-user":     "For failover: who a replica logs in to its primary as.",
	"replication-password": "For failover: that user's password.",

	"redis":             "The cache: one address or URL, or several of a cluster or of sentinels.",
	"redis-master-name": "The master's name, where the cache's addresses are sentinels.",
	"redis-cluster":     "The cache is a Redis Cluster.",
	"redis-username":    "The cache's user.",
	"redis-password":    "The cache's password.",
	"lock-redis":        "The lock's nodes: 3 or 5 independent Redis masters.",

	"messages": "Where events are published, a Redis that keeps them on its disk: one address or URL, or several of " +
		"a cluster or of sentinels. Without it, the cache.",
	"messages-master-name": "The master's name, where the addresses of --messages are sentinels.",
	"messages-username":    "The user of --messages.",
	"messages-password":    "The password of --messages.",

	"drain": "How long a server that is told to stop still serves, while /readyz says 503: until load balancers leave it " +
		"out. At most 5m.",
	"hold":               "How long an order may stay unpaid.",
	"sale-closes-before": "How long before a departure selling from there ends; for runs published from now on.",
	"quotas": "How often a client may ask, such as buying.account=2/1s:20: two orders in a second, and twenty at once. " +
		"What is not given is as usual; off alone bounds nothing.",
	"refund-fees": "What is kept of a ticket that is given back, by how long before its departure that is; then what a " +
		"fee is rounded to, and its least. Without it, as 12306 does: " + fees12306 + ".",
	"change-fees": "The same for what is left of a ticket's price after a change to a cheaper one; without it, as for " +
		"refunds.",
	"max-run-holds": "How many unpaid orders a buyer may have on one run; 0 is any number.",
	"max-open-holds": "How many unpaid orders a buyer may have on all runs, and a hundred times as many cancel in 24 " +
		"hours; 0 is any number.",
	"max-lapsed-holds": "How many of a buyer's orders on a run may lapse unpaid in 24 hours before the run is closed " +
		"to them; 0 is any number.",
	"max-documents": "For how many different documents a buyer may ask in 24 hours; 0 is any number.",
	"payments": "The payment provider: none; sandbox, which takes no money and pays at once; bank, which takes none " +
		"either and asks the buyer on a page; or stripe. The embedded default has the sandbox.",
	"bank-url": "Where interlock sandbox-bank serves. Without it, the embedded default has one of its own.",
	"stripe-key-file": "The file with the secret key of the provider's API: Stripe's, or the bank's; without it, the " +
		"bank's in --data.",
	"webhook-secret-file": "The file with the secret that webhooks are signed with, or two in two lines while it is " +
		"changed; without it, the bank's in --data.",
	"pay-return-url": "The page that buyers come back to from the provider's; {ORDER_ID} in it is the order's id, " +
		"as the API has it. stripe needs it; without it, the bank's buyers come back to the playground.",
	"pay-source": "What this installation is called in the provider's books. Two that share an account need two " +
		"names: a charge of our name whose order we do not have goes back.",
	"pay-mysql": "The payments' database, where it is elsewhere: as --mysql. Without it, the ledger's name with _pay " +
		"behind, on the same members.",

	"pay-url": "Where interlock pay serves: http://host:port, or https:// where it has a certificate. Without it, " +
		"payments are taken inside the server.",
	"pay-secret-file": "The file with the secret that serve and pay share, at least 32 characters; or two in two " +
		"lines while it is changed: the first is sent, both are taken.",
	"pay-ca":          "Between serve and pay: the authorities whose certificates are taken (PEM).",
	"pay-cert":        "Between serve and pay: our own certificate (PEM).",
	"pay-key":         "Its key (PEM).",
	"listen-webhooks": "For pay: the address that providers' webhooks come to. With payments inside, it is --listen.",

	"mail-server": "The SMTP server that mails to buyers are given to. Without it, the embedded default writes them into " +
		"the folder mails in --data.",
	"mail-from":          "Who mails come from: an address, or Example Railways <tickets@example.com>.",
	"mail-user":          "The user at the SMTP server.",
	"mail-password-file": "The file with that user's password.",
	"mail-tls": "How the SMTP server is spoken to: starttls and tls need a good certificate; none is for one on this " +
		"machine.",
	"mail-ca": "The authorities whose certificates the SMTP server may have (PEM), where they are not among those that " +
		"this system trusts.",
	"mail-folder":    "Write mails into this folder instead of sending them.",
	"mail-templates": "A folder with mails of your own, a folder for each language in it.",
	"mail-order-page": "The page where a buyer finds an order; {ORDER_ID} in it is the order's id, as the API has it. " +
		"Without it, the playground.",
	"ticket-font": "A font for what a ticket's PDF says in Chinese: a .ttf with TrueType outlines. Without it, one is " +
		"looked for in the usual places.",
	"webhooks": "Tell partners by webhooks what becomes of orders. The embedded default does.",
	"notify-mysql": "The notifications' database, where it is elsewhere: as --mysql. Without it, the ledger's name with " +
		"_notify behind, on the same members.",

	"notify-url": "Where interlock notify serves: http://host:port, or https:// where it has a certificate. Without it, " +
		"buyers and partners are told by the server.",
	"listen-orders": "With --notify-url: the address at which the server answers interlock notify what orders say.",
	"orders-url":    "For notify: where servers answer what orders say, their --listen-orders.",
	"notify-secret-file": "The file with the secret that serve and notify share, at least 32 characters; or two in two " +
		"lines while it is changed: the first is sent, both are taken.",
	"notify-ca":   "Between serve and notify: the authorities whose certificates are taken (PEM).",
	"notify-cert": "Between serve and notify: our own certificate (PEM).",
	"notify-key":  "Its key (PEM).",

	"max-streams-per-viewer": "How many WebSockets and event streams one viewer may have open on a server.",
	"max-watched-per-viewer": "How much one viewer, or one stream without a token, may watch on a server: a run " +
		"between two stations counts 1, in each subscription, and an order 10.",
	"max-streams-per-address": "How many streams without a token may be open from one client address (of IPv6: one " +
		"/64).",
	"max-watched-per-address": "How much they may watch together.",
	"trusted-proxies": "The proxies in front, whose X-Forwarded-For is believed: addresses, or networks such as " +
		"10.0.0.0/8.",

	"oidc-issuer":   "Take the tokens of this OpenID Connect issuer, and refuse development tokens.",
	"oidc-audience": "The audience a token must name.",
	"oidc-clients":  "The applications (azp, client_id) whose tokens are taken; any where none is named.",
	"oidc-keys":     "Where the issuer's keys are, if it does not say.",
	"token-secret":  "The secret of development tokens, at least 32 characters; the data folder's own where not given.",
	"roles-claim":   "The claim that has a token's roles; dots go into objects.",
	"document-key": "The key of the digests of document numbers, the same on all servers; at least 32 characters. " +
		"Needed with MySQL.",

	"insecure-development-tokens": "Serve off loopback without an issuer: the development secret makes a token of " +
		"any user.",
	"insecure-webhook-targets": "Post webhooks to loopback and private addresses, and by http, too: partners then reach " +
		"what this machine reaches.",
	"insecure-sandbox-payments": "Serve off loopback with payments that take no money: every order is paid.",

	"personal-data-keys": "The keys that names and document numbers are sealed with, the same on all servers: each " +
		"an " +
		"id, a colon and 64 hexadecimal digits. The first seals, all open. Needed with MySQL.",
	"forget-passengers-after-days": "How many days after the end of a run its passengers are forgotten; 0 is never.",

	"ticket-keys-file": "The file with the private keys that tickets are signed with, the same on all servers " +
		"(interlock ticket-keys). Without it, the data folder's own; with MySQL, tickets then have no codes.",

	"log-level": "DEBUG, INFO, WARN or ERROR.",
}
