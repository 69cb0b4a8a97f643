//! Messages: sentences, languages, line breaks.

use super::{Locale, Out, Version, machine::Cx};

/// The English sentence of a code; `{}` are its arguments in order.
fn english(code: &str, version: Version) -> &'static str {
    match code {
        "DB20000I" => "The {} command completed successfully.",
        "DB21024I" => "This command is asynchronous and may not be effective immediately.",
        "SQL0104N" => {
            "An unexpected token \"{}\" was found following \"BEGIN-OF-STATEMENT\".  Expected tokens may include:  \"<space>\".  SQLSTATE=42601"
        }
        "SQL0204N" => "\"{}\" is an undefined name.  SQLSTATE=42704",
        "SQL1005N" => {
            "The database alias \"{}\" already exists in either the local database directory or system database directory."
        }
        "SQL1013N" => "The database alias name or database name \"{}\" could not be found.  SQLSTATE=42705",
        "SQL1024N" => "A database connection does not exist.  SQLSTATE=08003",
        "SQL1025N" => "The database manager was not stopped because databases are still active.",
        "SQL1026N" => "The database manager is already active.",
        "SQL1032N" => "No start database manager command was issued.  SQLSTATE=57019",
        "SQL1032N-STOP" => "No start database manager command was issued.",
        "SQL1035N" if version == Version::V9_7 => "The database is currently in use.  SQLSTATE=57019",
        "SQL1035N" => {
            "The operation failed because the specified database cannot be connected to in the mode requested.  SQLSTATE=57019"
        }
        "SQL1057W" => "The system database directory is empty.  SQLSTATE=01606",
        "SQL1063N" => "DB2START processing was successful.",
        "SQL1064N" => "DB2STOP processing was successful.",
        "SQL1092N" => {
            "The requested command or operation failed because the user ID does not have the authority to perform the requested command or operation.  User ID: \"{}\"."
        }
        "SQL1116N" => {
            "A connection to or activation of database \"{}\" cannot be made because of BACKUP PENDING.  SQLSTATE=57019"
        }
        "SQL1116N-NEW" => {
            "A connection to or activation of database \"{}\" failed because the database is in BACKUP PENDING state.  SQLSTATE=57019"
        }
        "SQL1117N" => {
            "A connection to or activation of database \"{}\" cannot be made because of ROLL-FORWARD PENDING.  SQLSTATE=57019"
        }
        "SQL1224N" => {
            "The database manager is not able to accept new requests, has terminated all requests in progress, or has terminated the specified request because of an error or a forced interrupt.  SQLSTATE=55032"
        }
        "SQL1260N" => "Database \"{}\" is not configured for roll-forward recovery on database partition(s) \"0\".",
        "SQL1363W" => {
            "One or more of the parameters submitted for immediate modification were not changed dynamically. For these configuration parameters, the database must be shutdown and reactivated before the configuration parameter changes become effective."
        }
        "SQL1490W" => {
            "Activate database is successful, however, the database has already been activated on one or more nodes."
        }
        "SQL1494W" => "Activate database is successful, however, there is already a connection to the database.",
        "SQL1495W" => "Deactivate database is successful, however, there is still a connection to the database.",
        "SQL1496W" => "Deactivate database is successful, but the database was not activated.",
        "SQL1611W" => "No data was returned by Database System Monitor.",
        "SQL1766W" => {
            "The command completed successfully. However, LOGINDEXBUILD was not enabled before HADR was started."
        }
        "SQL1767N" => "Start HADR cannot complete. Reason code = \"{}\".",
        "SQL1768N" => "Unable to start HADR. Reason code = \"{}\".",
        "SQL1769N" => "Stop HADR cannot complete. Reason code = \"{}\".",
        "SQL1770N" => "Takeover HADR cannot complete. Reason code = \"{}\".",
        "SQL1776N" if version <= Version::V10_1 => {
            "The command cannot be issued on an HADR standby database. Reason code = \"{}\"."
        }
        "SQL1776N" => "The command cannot be issued on an HADR database. Reason code = \"{}\".",
        "SQL1777N" => "HADR is already started.",
        "SQL2001N" => "The utility was interrupted.  The output data may be incomplete.",
        "SQL2036N" => "The path for the file or device \"{}\" is not valid.",
        "SQL2539W" if version == Version::V9_7 => {
            "Warning!  Restoring to an existing database that is the same as the backup image database.  The database files will be deleted."
        }
        "SQL2539W" => {
            "The specified name of the backup image to restore is the same as the name of the target database.  Restoring to an existing database that is the same as the backup image database will cause the current database to be overwritten by the backup version."
        }
        "SQL2542N" => {
            "No match for a database image file was found based on the source database alias \"{}\" and timestamp \"{}\" provided."
        }
        "SQL5099N" => {
            "The value \"{}\" indicated by the database configuration parameter \"{}\" is not valid, reason code \"1\".  SQLSTATE=08004"
        }
        "SQL6031N" => "Error in the db2nodes.cfg file at line number \"1\".  Reason code \"10\".",
        "SQL20157N" => {
            "User \"CLIENT\" failed to attach to instance or connect to database \"{}\" because the database is quiesced.  SQLSTATE=08004"
        }
        "SQL30082N" => {
            "Security processing failed with reason \"24\" (\"USERNAME AND/OR PASSWORD INVALID\").  SQLSTATE=08001"
        }
        _ => "Reason code = \"{}\".",
    }
}

/// Our own Russian sentences: what matters is that the English words are not there.
fn russian(code: &str) -> Option<&'static str> {
    Some(match code {
        "DB20000I" => "Команда {} выполнена успешно.",
        "DB21024I" => "Эта команда асинхронная и может подействовать не сразу.",
        "SQL1013N" => "Имя или алиас базы данных \"{}\" не найдены.  SQLSTATE=42705",
        "SQL1024N" => "Соединение с базой данных не существует.  SQLSTATE=08003",
        "SQL1026N" => "Менеджер баз данных уже активен.",
        "SQL1032N" => "Не была введена команда запуска менеджера баз данных.  SQLSTATE=57019",
        "SQL1035N" => "База данных используется.  SQLSTATE=57019",
        "SQL1063N" => "Команда DB2START выполнена успешно.",
        "SQL1064N" => "Команда DB2STOP выполнена успешно.",
        "SQL1117N" => "База данных \"{}\" недоступна: ожидается повтор транзакций.  SQLSTATE=57019",
        "SQL1490W" => "База данных уже активирована на одном или нескольких узлах.",
        "SQL1495W" => "База данных деактивирована, но с ней ещё есть соединение.",
        "SQL1496W" => "База данных деактивирована, но она не была активна.",
        "SQL1766W" => "Команда выполнена, но LOGINDEXBUILD не был включён.",
        "SQL1767N" => "Невозможно завершить запуск HADR. Код причины = \"{}\".",
        "SQL1768N" => "Невозможно запустить HADR. Код причины = \"{}\".",
        "SQL1769N" => "Невозможно завершить остановку HADR. Код причины = \"{}\".",
        "SQL1770N" => "Невозможно завершить переключение HADR. Код причины = \"{}\".",
        "SQL1776N" => "Эту команду нельзя выполнить для базы данных HADR. Код причины = \"{}\".",
        "SQL1777N" => "HADR уже запущен.",
        _ => return None,
    })
}

/// Our own German sentences.
fn german(code: &str) -> Option<&'static str> {
    Some(match code {
        "DB20000I" => "Der Befehl {} wurde erfolgreich ausgeführt.",
        "SQL1013N" => "Der Aliasname oder Name der Datenbank \"{}\" wurde nicht gefunden.  SQLSTATE=42705",
        "SQL1026N" => "Der Datenbankmanager ist bereits aktiv.",
        "SQL1032N" => "Es wurde kein Befehl zum Starten des Datenbankmanagers abgesetzt.  SQLSTATE=57019",
        "SQL1063N" => "Die Verarbeitung von DB2START war erfolgreich.",
        "SQL1064N" => "Die Verarbeitung von DB2STOP war erfolgreich.",
        "SQL1768N" => "HADR kann nicht gestartet werden. Ursachencode = \"{}\".",
        "SQL1769N" => "HADR kann nicht beendet werden. Ursachencode = \"{}\".",
        "SQL1770N" => "Die Übernahme durch HADR kann nicht ausgeführt werden. Ursachencode = \"{}\".",
        "SQL1777N" => "HADR wurde bereits gestartet.",
        _ => return None,
    })
}

/// Our own French sentences.
fn french(code: &str) -> Option<&'static str> {
    Some(match code {
        "DB20000I" => "L'exécution de la commande {} s'est terminée normalement.",
        "SQL1013N" => "L'alias ou le nom de la base de données « \"{}\" » est introuvable.  SQLSTATE=42705",
        "SQL1026N" => "Le gestionnaire de bases de données est déjà actif.",
        "SQL1032N" => "Aucune commande de démarrage n'a été émise.  SQLSTATE=57019",
        "SQL1063N" => "L'exécution de DB2START a abouti.",
        "SQL1064N" => "L'exécution de DB2STOP a abouti.",
        "SQL1768N" => "Impossible de démarrer HADR. Code anomalie = \"{}\".",
        "SQL1769N" => "Impossible d'arrêter HADR. Code anomalie = \"{}\".",
        "SQL1770N" => "Impossible d'effectuer la reprise HADR. Code anomalie = \"{}\".",
        "SQL1777N" => "HADR est déjà démarré.",
        _ => return None,
    })
}

/// Our own Japanese sentences.
fn japanese(code: &str) -> Option<&'static str> {
    Some(match code {
        "DB20000I" => "{} コマンドが正常に完了しました。",
        "SQL1013N" => "データベース別名 \"{}\" が見つかりません。  SQLSTATE=42705",
        "SQL1026N" => "データベース・マネージャーは既にアクティブです。",
        "SQL1032N" => "データベース・マネージャーの始動コマンドが出されていません。  SQLSTATE=57019",
        "SQL1063N" => "DB2START の処理が正常に終了しました。",
        "SQL1064N" => "DB2STOP の処理が正常に終了しました。",
        "SQL1768N" => "HADR を開始できません。理由コード = \"{}\"。",
        "SQL1769N" => "HADR を停止できません。理由コード = \"{}\"。",
        "SQL1770N" => "HADR のテークオーバーを完了できません。理由コード = \"{}\"。",
        "SQL1777N" => "HADR は既に開始されています。",
        _ => return None,
    })
}

/// A message in one piece: code, two blanks, sentence.
pub(super) fn sentence(code: &str, arguments: &[&str], version: Version, locale: Locale) -> String {
    let own = match locale {
        Locale::C => None,
        Locale::Ru => russian(code),
        Locale::De => german(code),
        Locale::Fr => french(code),
        Locale::Ja => japanese(code),
    };
    let template = own.unwrap_or_else(|| english(code, version));
    let mut arguments = arguments.iter();
    let mut parts = template.split("{}");
    let mut text = parts.next().unwrap_or("").to_owned();
    for part in parts {
        text += arguments.next().unwrap_or(&"");
        text += part;
    }
    let shown = code.split('-').next().unwrap_or(code);
    format!("{shown}  {text}")
}

/// Breaks lines at blanks so that none is longer than `columns`, the blank before the break included.
pub(super) fn wrap(text: &str, columns: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    for word in text.split_inclusive(' ') {
        let size = word.chars().count();
        if columns > 0 && length > 0 && length + size > columns {
            out.push('\n');
            length = 0;
        }
        out += word;
        length += size;
    }
    out
}

impl Cx<'_> {
    /// A message; the exit code follows from the last letter of its code.
    pub(super) fn says(&self, code: &str, arguments: &[&str]) -> Out {
        let k = &self.m.knobs;
        let exit = match code.split('-').next().and_then(|c| c.chars().last()) {
            Some('I') => 0,
            Some('W') => 2,
            _ => 4,
        };
        Out::new(wrap(&sentence(code, arguments, k.version, k.locale), k.wrap) + "\n", exit)
    }

    /// DB20000I.
    pub(super) fn ok(&self, command: &str) -> Out {
        self.says("DB20000I", &[command])
    }
}
