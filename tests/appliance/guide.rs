//! The files of Cassia's guide ("Cassia MQTT 旁路模式使用说明", V1.0), letter for letter. Only the port's number and the
//! folders are put in: `PORT`, `DIR` for /etc/mosquitto, `DIR/certs` for /etc/mosquito/certs.

use crate::folder::Folder;

/// Chapter 二, 3.2: the configuration of scenario 2.
pub(crate) const PASSWORD_CONF: &str = "\
#服务进程的系统用户
user root
#服务绑定的端口号，可修改
port PORT
#允许的最大连接数，-1 表示没有限制
max_connections -1
#不允许匿名用户
allow_anonymous false
#配置用户密码文件
password_file DIR/pwfile
#配置 topic 和用户文件
acl_file DIR/acl
";

/// Chapter 四, 1: what is changed and removed for scenario 1.
pub(crate) const OPEN_CONF: &str = "\
#服务进程的系统用户
user root
#服务绑定的端口号，可修改
port PORT
#允许的最大连接数，-1 表示没有限制
max_connections -1
#不允许匿名用户
allow_anonymous true
";

/// Chapter 四, 3: what is added for scenario 3.
const PSK_ADDED: &str = "\
#配置 psk 验证
psk_hint true
psk_file DIR/pskfile
";

/// Chapter 四, 4: what is added for scenario 4.
const CERTIFICATE_ADDED: &str = "\
#配置psk验证
#psk_hint true
#psk_file /etc/mosquitto/pskfile
#配置证书验证
cafile DIR/certs/ca.crt
certfile DIR/certs/server.crt
keyfile DIR/certs/server.key
";

/// mosquitto's aclfile.example with what chapter 二, 3.4 adds; chapter 四, 2 prints a part of it.
pub(crate) const ACL: &str = "\
# This affects access control for clients with no username.
topic read $SYS/#

# This only affects clients with username \"roger\".
user roger
topic foo/bar
user cassiamqtt
topic write cassia/#

# This affects all clients.
pattern write $SYS/broker/connection/%c/state
user cassiamqtt
topic read cassia/#
";

/// The part as chapter 四, 2 prints it: with words behind the filters, which mosquitto takes for a part of them.
pub(crate) const ACL_WITH_WORDS: &str = "\
# This only affects clients with username \"roger\".
user roger
topic foo/bar
user cassiamqtt
topic write cassia/# 写权限用户，并对应发布主题

# This affects all clients.
pattern write $SYS/broker/connection/%c/state
user cassiamqtt
topic read cassia/# 读权限用户，并对应订阅主题
";

/// Chapter 四, 3.
const PSK_FILE: &str = "cassiapsk:1234567890abcdef\n";

/// The six messages of the data test (chapter 三, 3).
pub(crate) const DATA_TEST: [&str; 6] = [
    r#"[{"name": "(unknown)", "evtType": 0, "rssi": -67, "adData": "0201061AFF4C00021574278BDAB64445208F0C720EAF0599350100ED66C5", "bdaddrs": [{"bdaddr": "98:04:ED:D6:50:A3", "bdaddrType": "public"}]}]"#,
    r#"[{"name": "(unknown)", "evtType": 0, "rssi": -79, "adData": "02011A0AFF4C0010050318BF4AB1", "bdaddrs": [{"bdaddr": "5C:32:2A:B4:0C:EC", "bdaddrType": "random"}]}, {"name": "(unknown)", "evtType": 0, "rssi": -58, "adData": "0201061AFF4C00021574278BDAB64445208F0C720EAF0599350100ED66C5", "bdaddrs": [{"bdaddr": "98:04:ED:D6:50:A3", "bdaddrType": "public"}]}]"#,
    r#"[{"name": "(unknown)", "evtType": 0, "rssi": -58, "adData": "0201061AFF4C00021574278BDAB64445208F0C720EAF0599350100ED66C5", "bdaddrs": [{"bdaddr": "98:04:ED:D6:50:A3", "bdaddrType": "public"}]}]"#,
    r#"[{"name": "HSE96722001CEC", "evtType": 0, "rssi": -72, "adData": "0201060F094853453936373232303031434543020AFE", "bdaddrs": [{"bdaddr": "E9:67:22:00:1C:EC", "bdaddrType": "public"}]}]"#,
    r#"[{"name": "HSE967220019BC", "evtType": 0, "rssi": -74, "adData": "0201060F094853453936373232303031394243020AFE", "bdaddrs": [{"bdaddr": "E9:67:22:00:19:BC", "bdaddrType": "public"}]}]"#,
    r#"[{"name": "(unknown)", "evtType": 0, "rssi": -80, "adData": "02011A0AFF4C0010050318BF4AB1", "bdaddrs": [{"bdaddr": "5C:32:2A:B4:0C:EC", "bdaddrType": "random"}]}, {"name": "(unknown)", "scanData": "", "evtType": 4, "rssi": -80, "bdaddrs": [{"bdaddr": "5C:32:2A:B4:0C:EC", "bdaddrType": "random"}]}]"#,
];

/// One of chapter 四's scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    Open,
    Password,
    Psk,
    Certificate,
}

impl Scenario {
    pub(crate) const ALL: [Self; 4] = [Self::Open, Self::Password, Self::Psk, Self::Certificate];

    /// mosquitto.conf as the guide has it.
    pub(crate) fn conf(self) -> String {
        match self {
            Self::Open => OPEN_CONF.to_owned(),
            Self::Password => PASSWORD_CONF.to_owned(),
            Self::Psk => format!("{PASSWORD_CONF}{PSK_ADDED}"),
            Self::Certificate => format!("{PASSWORD_CONF}{CERTIFICATE_ADDED}"),
        }
    }

    /// The files that it names. The guide shows the user's password in its data test: cassiamqtt.
    pub(crate) fn folder(self) -> Folder {
        let folder = Folder::new();
        if self != Self::Open {
            folder.passwords("pwfile", &[("cassiamqtt", "cassiamqtt")]);
            folder.write("acl", ACL);
        }
        match self {
            Self::Psk => drop(folder.write("pskfile", PSK_FILE)),
            Self::Certificate => folder.certificates(),
            Self::Open | Self::Password => {}
        }
        folder
    }

    /// What a client is told on its command line.
    pub(crate) fn client_arguments(self, folder: &Folder) -> Vec<String> {
        let mut arguments = Vec::new();
        if self != Self::Open {
            arguments.extend(["-u", "cassiamqtt", "-P", "cassiamqtt"].map(str::to_owned));
        }
        match self {
            Self::Psk => {
                arguments.extend(["--psk", "1234567890abcdef", "--psk-identity", "cassiapsk"].map(str::to_owned));
            }
            Self::Certificate => arguments.extend(["--cafile".to_owned(), folder.at("certs/ca.crt")]),
            Self::Open | Self::Password => {}
        }
        arguments
    }
}
